// SPDX-License-Identifier: Apache-2.0
//
// A person in front of Bochs's screen, played by a script: looks at it by VNC until something is to be seen, and takes pictures:
//   look SECONDS STEP...    SECONDS: patience with each step
//   text=TEXT[=FILE]      TEXT stands on the screen in Kennel's own font
//   before=TEXT[=FILE]    the same, but the picture is the fullest one without it
//   still=SECONDS[=FILE]  nothing has changed for so long, on a screen that is not empty
// FILE: the picture, FILE.png. The screen is that of 127.0.0.1:5900, which may take a while to appear, without Bochs's own bars. Exit
// status 1, and the step that was not reached, when patience ends or the machine does.
#include "hv/lib/font.hpp"
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <png.h>
#include <rfb/rfbclient.h>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace kennel;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Picture {
    u32 width = 0, height = 0;
    std::vector<u32> pixels;                          // red in the lowest byte

    bool operator==(Picture const&) const = default;
    auto lit() const { return std::ranges::count_if(pixels, [](u32 pixel) { return (pixel & 0xff'ffff) != 0; }); }

    bool letter_at(char letter, u32 left, u32 top) const
    {
        auto const glyph = font::glyph(letter);
        for (u32 y = 0; y < font::height; y++)
            for (u32 x = 0; x < font::width; x++)
                if (((pixels[usize{top + y} * width + left + x] & 0xff'ffff) != 0) != ((glyph[y] >> (7 - x) & 1) != 0))
                    return false;
        return true;
    }
    bool shows(std::string_view text) const
    {
        for (u32 top = 0; top + font::height <= height; top += font::height)
            for (u32 left = 0; left + text.size() * font::width <= width; left += font::width) {
                usize i = 0;
                while (i < text.size() && letter_at(text[i], left + static_cast<u32>(i) * font::width, top))
                    i++;
                if (i == text.size())
                    return true;
            }
        return false;
    }
    bool save(std::string const& file) const
    {
        png_image image{};
        image.version = PNG_IMAGE_VERSION;
        image.width = width;
        image.height = height;
        image.format = PNG_FORMAT_RGB;
        std::vector<u8> bytes;
        bytes.reserve(pixels.size() * 3);
        for (u32 const pixel : pixels)
            for (u32 shift = 0; shift < 24; shift += 8)
                bytes.push_back(static_cast<u8>(pixel >> shift));
        return png_image_write_to_file(&image, file.c_str(), 0, bytes.data(), 0, nullptr) != 0;
    }
};

struct Step { std::string_view kind, what, file; };

Step parse(std::string_view word)
{
    auto const first = word.find('=');
    if (first == word.npos)
        return {};
    auto const last = word.rfind('=');
    bool const file = last != first && word.ends_with(".png");
    return {word.substr(0, first), word.substr(first + 1, file ? last - first - 1 : word.npos), file ? word.substr(last + 1) : std::string_view{}};
}

class Eye {
public:
    explicit Eye(Seconds patience) : patience_{patience} {}
    ~Eye() { if (client_) rfbClientCleanup(client_); }
    Eye(Eye const&) = delete;
    Eye& operator=(Eye const&) = delete;

    bool open()
    {
        for (auto const end = Clock::now() + patience_; Clock::now() < end; std::this_thread::sleep_for(std::chrono::milliseconds{100})) {
            client_ = rfbGetClient(8, 3, 4);
            client_->canHandleNewFBSize = TRUE;
            char name[] = "look", host[] = "127.0.0.1:0";
            char* words[] = {name, host, nullptr};
            int count = 2;
            if (rfbInitClient(client_, &count, words))
                return true;
            client_ = nullptr;                        // rfbInitClient has cleaned it up
        }
        return false;
    }

    bool reach(Step const& step)
    {
        Picture fullest = seen_;
        auto const begin = Clock::now();
        for (auto changed = begin; Clock::now() - begin < patience_;) {
            bool const done = step.kind == "still" ? seen_.lit() != 0 && Clock::now() - changed >= Seconds{std::atof(std::string{step.what}.c_str())} : seen_.shows(step.what);
            if (done)
                return step.file.empty() || (step.kind == "before" ? fullest : seen_).save(std::string{step.file});
            if (seen_.lit() > fullest.lit() || seen_.width != fullest.width)   // another mode
                fullest = seen_;
            Picture const last = seen_;
            if (!update())
                return false;
            if (seen_ != last)
                changed = Clock::now();
        }
        return false;
    }

private:
    // Waits for what the machine says, but not long. False: it is gone.
    bool update()
    {
        constexpr unsigned microseconds = 100'000;
        int const waiting = WaitForMessage(client_, microseconds);
        if (waiting < 0 || (waiting > 0 && !HandleRFBServerMessage(client_)))
            return false;
        constexpr u32 above = 32, below = 18;         // Bochs's bars, in pixels
        auto const width = static_cast<u32>(client_->width), height = static_cast<u32>(client_->height);
        if (client_->frameBuffer == nullptr || height < above + below)
            return true;
        seen_.width = width;
        seen_.height = height - above - below;
        auto const* const pixels = reinterpret_cast<u32 const*>(client_->frameBuffer) + usize{above} * width;
        seen_.pixels.assign(pixels, pixels + usize{width} * seen_.height);
        return true;
    }

    Seconds    patience_;
    rfbClient* client_ = nullptr;
    Picture    seen_;
};

} // namespace

int main(int count, char** words)
{
    if (count < 3) {
        std::cerr << "usage: look SECONDS text=TEXT[=FILE.png]|before=TEXT[=FILE.png]|still=SECONDS[=FILE.png]...\n";
        return 2;
    }
    rfbEnableClientLogging = FALSE;
    Eye eye{Seconds{std::atof(words[1])}};
    if (!eye.open()) {
        std::cout << "nobody shows a screen\n";
        return 1;
    }
    for (int i = 2; i < count; i++)
        if (!eye.reach(parse(words[i]))) {
            std::cout << "not reached: " << words[i] << '\n';
            return 1;
        }
}
