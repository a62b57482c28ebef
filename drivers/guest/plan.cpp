// SPDX-License-Identifier: Apache-2.0
//
// See plan.hpp.
#include "drivers/guest/plan.hpp"
#include "drivers/block/disk_plan.hpp"
#include "drivers/instructions.hpp"
#include "hv/lib/manifest.hpp"

namespace kennel::service {

namespace {

// A name in a fixed field, which need not have an end in it.
template<usize size> std::string_view text_of(char const (&field)[size])
{
    return {field, static_cast<usize>(std::find(field, field + size, '\0') - field)};
}

std::span<u8> bytes_of(abi::Module const& module) { return {reinterpret_cast<u8*>(module.base), module.size}; }

abi::Module const* find_module(abi::InfoPage const& info, std::string_view name)
{
    for (u32 i = 0; i < info.module_count && i < abi::max_modules; i++)
        if (text_of(info.modules[i].name) == name)
            return &info.modules[i];
    return nullptr;
}

// What Linux calls the console is the last that its command line names; what is typed goes there.
bool asks_for_console(std::string_view line)
{
    constexpr std::string_view key = "console=", hvc = "console=hvc0";
    bool found = false;
    for (usize at = 0; at < line.size();) {
        usize end = at;
        while (end < line.size() && line[end] != ' ')
            end++;
        std::string_view const word{line.data() + at, end - at};
        if (word.starts_with(key))
            found = word == hvc;
        at = end + 1;
    }
    return found;
}

class Planner {
public:
    Planner(abi::InfoPage const& info, std::span<u8> heap, Drives& drives, net::Networks& networks, Log& log)
        : info_{info}, heap_{heap}, log_{log}, extents_{info}, disk_maker_{drives, heap_, extents_, info, log}, networks_{networks} {}

    Plan plan(ManifestReader const& manifest)
    {
        auto const checked = net::check_networks(manifest);
        if (checked)
            networks_.begin(manifest, info_);
        else
            log_.line(Text{"manifest: ", net::describe(checked.error()), ": there are no networks"});
        has_networks_ = checked.has_value();
        // Each service reads the whole manifest and takes what is its own.
        for (u32 i = 0; i < manifest.guest_count(); i++) {
            abi::ManifestGuest const recipe = manifest.guest(i);
            if (recipe.service != info_.service)
                continue;
            if (Guest* guest = admit(manifest, i, recipe))
                plan_.guests[plan_.count++] = guest;
            else
                plan_.refused++;
        }
        if (has_networks_ && !networks_.finish({heap_, extents_, log_}))
            plan_.refused++;
        return plan_;
    }

private:
    void refuse(abi::ManifestGuest const& recipe, Text const& why)
    {
        log_.line(Text{"guest ", text_of(recipe.name), ": ", why.view()});
        log_.frame(Text{"guest ", text_of(recipe.name), " stopped reason=load-error status=failed"});
    }

    Guest* admit(ManifestReader const& manifest, u32 number, abi::ManifestGuest const& recipe)
    {
        if (recipe.cpu != abi::any_cpu && recipe.cpu >= info_.cpu_count) {
            refuse(recipe, Text{"CPU ", recipe.cpu, " does not exist; this machine has 0 to ", info_.cpu_count - 1});
            return nullptr;
        }
        if (recipe.memory > extents_.free()) {
            refuse(recipe, Text{"wants ", recipe.memory >> 20, " MiB of memory; ", extents_.free() >> 20, " MiB are free"});
            return nullptr;
        }
        Guest* const guest = heap_.make<Guest>();
        if (!guest) {
            refuse(recipe, Text{"too many guests for the service's own memory"});
            return nullptr;
        }
        if (!give_memory(*guest, recipe.memory)) {
            refuse(recipe, Text{"its memory would lie in too many pieces"});
            return nullptr;
        }
        guest->recipe = recipe;
        guest->number = plan_.count;
        guest->home = recipe.cpu != abi::any_cpu ? recipe.cpu : next_cpu_++ % info_.cpu_count;
        guest->platform.virtio.set_place({guest->home, guest->first_event()});
        guest->command_line = manifest.command_line(recipe);
        give_file(manifest, recipe.kernel, guest->kernel, guest->kernel_name);
        give_file(manifest, recipe.initrd, guest->initrd, guest->initrd_name);
        if (!give_disks(manifest, number, *guest))
            return nullptr;
        if (!give_cards(manifest, number, *guest))
            return nullptr;
        if (asks_for_console(guest->command_line) && guest->platform.virtio.add(guest->console)) {
            guest->has_console = true;
            guest->platform.uart.give_input_away();
        }
        guest->platform.virtio.add_own();
        return guest;
    }

    // In the manifest's order: the guest's first disk is vda.
    bool give_disks(ManifestReader const& manifest, u32 number, Guest& guest)
    {
        for (u32 i = 0; i < manifest.disk_count(); i++) {
            if (manifest.disk(i).guest != number)
                continue;
            auto const recipe = DiskRecipe::read(manifest, i);
            Text why;
            Disk* disk = nullptr;
            if (recipe && recipe->is_area()) {
                if (give_area(manifest, *recipe, guest))
                    continue;
                return false;
            }
            if (!recipe)
                why = Text{describe(recipe.error())};
            else if (guest.disk_count == Guest::max_disks)
                why = Text{"a guest can have ", Guest::max_disks};
            else
                disk = disk_maker_.make(*recipe, file_of(manifest, *recipe), plan_.disk_count, guest.home, why);
            if (!disk) {
                refuse(guest.recipe, Text{"disk ", guest.disk_count, ": ", why.view()});
                return false;
            }
            VirtioBlock* const device = heap_.make<VirtioBlock>(disk->medium, disk->recipe.serial());
            if (!device) {
                refuse(guest.recipe, Text{"disk ", guest.disk_count, ": no room in the service's own memory"});
                return false;
            }
            disk->guest = guest.number;
            disk->device = guest.platform.virtio.count();
            guest.platform.virtio.add(*device);
            plan_.disks[plan_.disk_count++] = disk;
            guest.disk_devices[guest.disk_count] = device;
            guest.disks[guest.disk_count++] = disk;
        }
        return true;
    }

    // The bytes of the file themselves, where the loader put them, for every guest that has it.
    bool give_area(ManifestReader const& manifest, DiskRecipe const& recipe, Guest& guest)
    {
        VirtioDevices& devices = guest.platform.virtio;
        auto const content = file_of(manifest, recipe);
        auto const base = reinterpret_cast<u64>(content.data());
        u64 address = high_memory + guest.memory.high_size();
        u32 before = 0;
        for (u32 i = 0; i < devices.count(); i++)
            if (VirtioPmem const* const other = devices.pmem(i)) {
                address = other->area.end();
                before++;
            }
        address = SharedArea::whole(address, SharedArea::section);
        if (zeroes_.empty())
            zeroes_ = heap_.take(page_size, page_size);
        Text why;
        VirtioPmem* device = nullptr;
        if (content.empty() || base % page_size)
            why = Text{"its file is missing or empty"};
        else if (zeroes_.empty() || !(device = heap_.make<VirtioPmem>(SharedArea::Recipe{content, zeroes_, address, recipe.has(abi::DiskOption::lazy)})))
            why = Text{"no room in the service's own memory"};
        else if (!devices.add(*device))
            why = Text{"it has too many devices"};
        if (!why.view().empty()) {
            refuse(guest.recipe, Text{"area ", before, ": ", why.view()});
            return false;
        }
        // The rest of the last page is nobody's, so it is seen as the pages behind it: as zeroes.
        std::memset(zeroes_.data(), 0, page_size);
        std::memset(content.data() + content.size(), 0, SharedArea::whole(content.size(), page_size) - content.size());
        log_.line(Text{"guest ", text_of(guest.recipe.name), ": area ", before, ": ", recipe.serial(), ", ", content.size(), " bytes of memory from ", Hex{base}, " on, seen at ",
                       Hex{address}, recipe.has(abi::DiskOption::lazy) ? ", mapped page by page" : ", mapped as a whole"});
        return true;
    }

    bool give_cards(ManifestReader const& manifest, u32 number, Guest& guest)
    {
        u32 count = 0;
        for (u32 i = 0; i < manifest.card_count(); i++) {
            abi::ManifestCard const recipe = manifest.card(i);
            if (recipe.guest != number)
                continue;
            Text why{"the manifest's networks are wrong"};
            VirtioNet* const card = has_networks_ ? networks_.add_card({heap_, extents_, log_}, recipe, text_of(guest.recipe.name), guest.home, why) : nullptr;
            if (card && !guest.platform.virtio.add(*card))
                why = Text{"it has too many devices"};
            else if (card) {
                if (guest.card_count < Guest::max_cards)
                    guest.cards[guest.card_count++] = card;
                count++;
                continue;
            }
            refuse(guest.recipe, Text{"network card ", count, ": ", why.view()});
            return false;
        }
        return true;
    }

    std::span<u8> file_of(ManifestReader const& manifest, DiskRecipe const& recipe)
    {
        if (recipe.entry.kind != abi::MediumKind::module && !recipe.is_area())
            return {};
        abi::ManifestFile const file = manifest.file(recipe.entry.source);
        abi::Module const* const module = find_module(info_, text_of(file.name));
        return module ? bytes_of(*module) : std::span<u8>{};
    }

    bool give_memory(Guest& guest, u64 wanted)
    {
        while (wanted) {
            Extents::Piece const piece = extents_.take(wanted);
            if (!piece.size || !guest.memory.add(reinterpret_cast<u8*>(piece.base), piece.size))
                return false;
            wanted -= piece.size;
        }
        return true;
    }

    // A file the loader did not find has size 0; the guest's start says so.
    void give_file(ManifestReader const& manifest, u32 index, std::span<u8 const>& bytes, std::string_view& name)
    {
        if (index == abi::no_file)
            return;
        abi::ManifestFile const file = manifest.file(index);
        if (abi::Module const* module = find_module(info_, text_of(file.name))) {
            bytes = bytes_of(*module);
            name = text_of(module->name);
        } else {
            name = "a file of the manifest";
        }
    }

    abi::InfoPage const& info_;
    Heap    heap_;
    Log&    log_;
    Extents extents_;
    DiskMaker disk_maker_;
    net::Networks& networks_;
    bool    has_networks_ = false;
    std::span<u8> zeroes_;                            // a page of them, for what lies behind an area's content
    Plan    plan_;
    u32     next_cpu_ = 0;
};

} // namespace

std::span<u8> find_heap(abi::InfoPage const& info)
{
    u64 begin = info.block_base;
    for (u32 i = 0; i < info.module_count && i < abi::max_modules; i++)
        if (info.modules[i].size)
            begin = std::max(begin, (info.modules[i].base + info.modules[i].size + page_size - 1) & ~(page_size - 1));
    u64 const end = info.block_base + info.block_size;
    // No module at all: where the image and its tables end is not known here, and there is nothing to start anyway.
    if (begin <= info.block_base || begin >= end)
        return {};
    return {reinterpret_cast<u8*>(begin), end - begin};
}

Plan make_plan(abi::InfoPage const& info, std::span<u8> heap, Drives& drives, net::Networks& networks, Log& log)
{
    abi::Module const* const file = find_module(info, "manifest");
    if (!file || !file->size) {
        log.line(Text{"manifest: missing"});
        return {};
    }
    auto const manifest = ManifestReader::parse(bytes_of(*file));
    if (!manifest) {
        ManifestFault const fault = manifest.error();
        if (fault.index == abi::no_file)
            log.line(Text{"manifest: ", kennel::describe(fault.error)});
        else
            log.line(Text{"manifest: ", kennel::describe(fault.error), " ", fault.index});
        return {};
    }
    return Planner{info, heap, drives, networks, log}.plan(*manifest);
}

} // namespace kennel::service
