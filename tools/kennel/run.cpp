// SPDX-License-Identifier: Apache-2.0
//
// See run.hpp. The steps: words -> Plan (checked) -> manifest -> disk -> machine -> session.
#include "tools/kennel/run.hpp"
#include "tools/kennel/command_line.hpp"
#include "tools/kennel/configuration.hpp"
#include "tools/kennel/description.hpp"
#include "tools/kennel/esp.hpp"
#include "tools/kennel/image_disks.hpp"
#include "tools/kennel/session.hpp"
#include "tools/kennel/size.hpp"
#include <algorithm>
#include <memory>

namespace kennel::tool {

namespace {

constexpr u64 least_ips = 1'000'000, most_ips = 4'294'967'295;   // Bochs's own bounds

// What the user said, as text; parsed below, so that a mistake gets our own words.
struct Words {
    std::string memory, kernel;
    std::vector<std::string> arguments;
    std::string initrd, name, policy, machine;         // empty: not said
    std::string socket, emulator = "auto", cpu_model, machine_memory, log, images, keep, input_after;
    std::optional<u32> cpus, guest_cpus;
    u32  timeout = 0, loader_timeout = 0;
    u64  ips = 100'000'000;
    bool verbose = false, trust_guests = false;
    std::vector<std::string> block, replace;
    std::string net;                                    // empty: no network
    std::vector<std::string> forward;
};

Or<u64> size_of(std::string_view what, std::string const& text)
{
    auto const size = parse_size(text);
    return size ? size : bad_usage("{}: {}", what, size.error().text);
}

Or<Plan> plan_from(Words const& words)
{
    if (words.guest_cpus.value_or(1) != 1)
        return bad_usage("--cpus={}: only 1 is possible: guests with several processors are not there yet", *words.guest_cpus);
    if (!words.machine.empty()) {
        if (!words.memory.empty())
            return bad_usage("either --machine=FILE or MEMORY and KERNEL can be given, not both");
        if (!words.net.empty())
            return bad_usage("{} describes the guests, their \"cards\" too: --net cannot be given beside it", words.machine);
        if (!words.forward.empty())
            return bad_usage("{} describes the guests, their \"cards\" too: --forward cannot be given beside it", words.machine);
        if (!words.block.empty())
            return bad_usage("{} describes the guests, their \"disks\" too: --block cannot be given beside it", words.machine);
        return read_description(words.machine);
    }
    if (words.memory.empty() || words.kernel.empty())
        return bad_usage("{} is missing: kennel run [options] MEMORY KERNEL [kernel arguments], for example kennel run 128m vmlinuz",
                         words.memory.empty() ? "MEMORY" : "KERNEL");
    Plan plan;
    plan.services.emplace_back();
    GuestPlan guest;
    guest.name = words.name.empty() ? "guest" : words.name;
    guest.memory = TRY(size_of("MEMORY", words.memory));
    guest.kernel = words.kernel;
    if (!words.initrd.empty())
        guest.initrd = words.initrd;
    guest.command_line = TRY(guest_command_line(words.arguments));
    guest.policy = TRY(parse_policy(words.policy.empty() ? "stop" : words.policy));
    guest.attached = true;
    for (auto const& word : words.block)
        guest.disks.push_back(TRY(parse_disk(word)));
    if (!words.net.empty()) {
        plan.networks.push_back({words.net, abi::NetworkMode::nat});
        CardPlan& card = guest.cards.emplace_back();
        card.network = words.net;
        for (auto const& word : words.forward)
            card.forwards.push_back(TRY(parse_forward(word)));
    } else if (!words.forward.empty()) {
        return bad_usage("--forward={}: there is no network to forward to; --net makes one", words.forward.front());
    }
    plan.guests.push_back(std::move(guest));
    return plan;
}

// Of a configuration file, or of the words alone.
Or<Configuration> configuration_from(Words const& words)
{
    if (!fs::path{words.memory}.extension().string().starts_with(".toml"))
        return Configuration{.plan = TRY(plan_from(words))};
    if (!words.kernel.empty() || !words.arguments.empty() || !words.machine.empty() || !words.initrd.empty() || !words.block.empty() || !words.net.empty() || !words.forward.empty()
        || !words.name.empty() || !words.policy.empty() || words.guest_cpus)
        return bad_usage("{} describes the guests: no KERNEL, arguments, --initrd, --block, --net, --forward, --name, --policy, --cpus or --machine can be given beside it", words.memory);
    return use_configuration(words.memory);
}

Or<u64> machine_memory(Words const& words, Configuration const& configuration)
{
    if (words.machine_memory.empty())
        return usual_machine_memory(configuration);
    u64 const given = TRY(size_of("--machine-memory", words.machine_memory));
    if (given < 64 << 20)
        return bad_usage("--machine-memory={} is too little: at least 64m is needed to reach the loader", words.machine_memory);
    return given;
}

Or<std::vector<Replacement>> replacements_from(std::vector<std::string> const& words)
{
    std::vector<Replacement> list;
    for (auto const& word : words) {
        auto const equals = word.find('=');
        if (equals == word.npos || !word.starts_with('/'))
            return bad_usage("--replace={}: /PATH=FILE is wanted", word);
        auto const source = word.substr(equals + 1);
        list.push_back({word.substr(1, equals - 1), source.empty() ? fs::path{} : fs::absolute(source)});
    }
    return list;
}

// The machine's own disk, like one that `kennel image` makes, but nobody asks whether it is whole.
Or<fs::path> make_disk(std::vector<EspFile> files, fs::path const& folder)
{
    DiskImage const image{std::move(files), {}, Checksums::none, TRY(image_time())};
    auto const path = folder / "disk.img";
    auto output = TRY(Output::scratch(path));
    Progress progress{"the machine's disk"};
    TRY(image.write(output, progress));
    return path;
}

Or<std::ofstream> open_log(std::string const& path)
{
    std::ofstream log;
    if (path.empty())
        return log;
    log.open(path, std::ios::trunc);
    if (!log)
        return bad_usage("{}: cannot be written", path);
    return log;
}

// Where other verbs find this machine: --socket=, or a name among the user's machines. Without a place for that the machine runs, too.
Or<std::optional<Control>> control_for(Words const& words, Plan const& plan)
{
    if (words.socket == "none")
        return std::optional<Control>{};
    if (!words.socket.empty())
        return std::optional{TRY(Control::open(words.socket))};
    auto const name = fs::path{words.memory}.extension() == ".toml" ? fs::path{words.memory}.stem().string() : plan.guests.empty() ? "machine" : plan.guests.front().name;
    auto control = Control::open_named(name);
    if (control)
        return std::optional{std::move(*control)};
    if (words.verbose)
        say("kennel list and its kin will not find this machine: {}", control.error().text);
    return std::optional<Control>{};
}

Or<ExitStatus> run(Words const& words)
{
    auto configuration = TRY(configuration_from(words));
    Plan& plan = configuration.plan;
    TRY(check_plan(plan));
    if (words.cpus)
        configuration.cpus = *words.cpus;
    if (configuration.cpus < 1 || configuration.cpus > abi::max_cpus)
        return bad_usage("--machine-cpus={}: 1 to {} are possible", configuration.cpus, abi::max_cpus);
    if (words.ips < least_ips || words.ips > most_ips)
        return bad_usage("--ips={}: {} to {} are possible", words.ips, least_ips, most_ips);
    for (DiskPlan const* disk : all_disks(plan))
        if (disk->kind != abi::MediumKind::memory && TRY(is_qcow2(disk->file)))
            return bad_usage("{}: a qcow2 disk; here it must be raw (qemu-img convert -O raw)", disk->file.string());
    auto const option = [&](abi::MachineOption value) { plan.options |= static_cast<u32>(value); };
    auto const choice = TRY(choose_emulator(words.emulator));
    bool const bochs = choice.emulator == Emulator::bochs_2 || choice.emulator == Emulator::bochs_3;
    if (bochs || words.emulator == "auto")             // `auto` may still fall back to Bochs
        option(abi::MachineOption::emulator_exit);
    if (words.trust_guests)
        option(abi::MachineOption::trust_guests);
    if (words.verbose)
        option(abi::MachineOption::verbose);
    TRY(check_output(words.log, plan, words.memory));      // where no file is the configuration, that is no file's name
    if (!words.keep.empty())
        TRY(check_output(fs::path{words.keep} / "disk.img", plan, words.memory));
    auto const manifest = TRY(make_manifest(plan));
    auto const drives = TRY(LockedDrives::lock(manifest.drives));
    auto log = TRY(open_log(words.log));
    auto const replacements = TRY(replacements_from(words.replace));
    if (!choice.why.empty())
        say("{}", choice.why);
    if (choice.emulator == Emulator::bochs_2 && configuration.cpus > 1)
        say("Bochs 2.7 disturbs exceptions of guests when it has more than one CPU; tools/bochs builds a Bochs 3.0 that does not");

    for (auto const& forward : forwards_of(plan))
        TRY(check_free(forward));
    block_ending_signals();
    auto const temporary = TRY(TemporaryFolder::create());
    fs::path const folder = words.keep.empty() ? temporary.path() : fs::absolute(words.keep);
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
        return bad_usage("{}: cannot be made: {}", folder.string(), error.message());
    auto files = TRY(esp_files(find_images(words.images), manifest, replacements));
    auto const disk = TRY(make_disk(std::move(files), folder));
    Settings settings{
        .emulator = choice.emulator,
        .program = choice.program,
        .cpu_model = words.cpu_model,
        .cpus = configuration.cpus,
        .memory = TRY(machine_memory(words, configuration)),
        .instructions_per_second = words.ips,
        .disk = disk,
        .drives = drives.drives(),
        .network_card = wants_network_card(plan),
        .forwards = forwards_of(plan),
        .folder = folder,
    };
    SessionOptions options;
    options.input_after = words.input_after;
    options.verbose = words.verbose;
    options.may_fall_back = words.emulator == "auto";
    if (words.timeout != 0)
        options.time_limit = std::chrono::seconds{words.timeout};
    if (words.loader_timeout != 0)
        options.loader_limit = std::chrono::seconds{words.loader_timeout};
    Session session{std::move(settings), std::move(options), std::move(log), TRY(control_for(words, plan))};
    return session.run();
}

} // namespace

void add_run(CLI::App& program, std::vector<std::string> more, ExitStatus& status)
{
    auto const words = std::make_shared<Words>();
    auto* const verb = program.add_subcommand("run", "Run a kernel, or a configuration's guests, in an emulated machine");
    verb->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    verb->footer("Words that are no options are the kernel's arguments, as are all after a --.\n"
                 "console=ttyS0 is put before them unless there is a console=. At a terminal,\n"
                 "Ctrl-] q leaves, Ctrl-] m is the machine's monitor. Standard output is the\n"
                 "guests' console and nothing else.\n\n"
                 "Examples:\n"
                 "  kennel run 128m vmlinuz --initrd=initrd.img --block=rootfile root=/dev/vda\n"
                 "  kennel run --emulator=bochs --timeout=60 machine.toml\n\n"
                 "Exit status: 0 all guests stopped as they should, 1 a guest failed, 2 bad\n"
                 "usage or configuration, 3 the machine could not start, 124 time limit.");
    verb->add_option("MEMORY", words->memory, "The guest's memory, as 128m or 1g; or FILE.toml, alone");
    verb->add_option("KERNEL", words->kernel, "A Linux bzImage, or an ELF file");
    verb->add_option("ARGUMENTS", words->arguments, "The kernel's arguments")->take_all();
    auto const option = [&](char const* name, auto& value, char const* text, char const* type) { return verb->add_option(name, value, text)->type_name(type); };
    auto const for_tests = [&](char const* name, auto& value, char const* text, char const* type) { return option(name, value, text, type)->group(""); };
    option("--initrd", words->initrd, "The guest's initial RAM disk", "FILE");
    option("--block", words->block, "A disk, /dev/vda and on: FILE[,ro][,overlay[=SIZE]][,ram][,pmem[=lazy]] [,write-through][,partition=LABEL][,partuuid=UUID] or ram:SIZE", "FILE")
        ->allow_extra_args(false)->take_all();
    verb->add_flag("--net{net}", words->net, "A network card with a way out; =NETWORK: a named one");
    option("--forward", words->forward, "A port of 127.0.0.1 that leads to the guest's: tcp:2222:22", "PROTOCOL:PORT:GUESTPORT")
        ->allow_extra_args(false)->take_all();
    option("--cpus", words->guest_cpus, "The guest's processors: 1, more are not possible yet", "N");
    option("--name", words->name, "The guest's name", "NAME");
    option("--policy", words->policy, "What happens when the guest fails", "stop|restart|hold");
    option("--emulator", words->emulator, "auto: QEMU where KVM can give it VT-x, else Bochs", "auto|bochs|bochs-2.7|bochs-3.0|qemu");
    option("--cpu-model", words->cpu_model, "The machine's processor, as the emulator calls it", "NAME");
    option("--machine-cpus", words->cpus, "Its processors; default 1, or the configuration's", "N");
    option("--machine-memory", words->machine_memory, "Its memory; default 512m, or what is needed", "SIZE");
    option("--ips", words->ips, "Bochs: instructions per emulated second", "N");
    option("--timeout", words->timeout, "End the machine after so long, with status 124", "SECONDS");
    option("--log", words->log, "Write the loader's words and the log to a file", "FILE");
    verb->add_flag("--verbose", words->verbose, "Show them on standard error");
    verb->add_flag("--trust-guests", words->trust_guests, "Map code by 2 MiB in spite of the iTLB erratum");
    option("--input-after", words->input_after, "Wait for this on the console before passing input on", "TEXT");
    option("--socket", words->socket, "Where kennel list and its kin find it; none: nowhere", "PATH");
    option("--keep", words->keep, "Keep the machine's disk, configuration and logs", "FOLDER");
    for_tests("--machine", words->machine, "A description in JSON (tools/kennel/description.hpp)", "FILE");
    for_tests("--images", words->images, "The build folder with loader, hypervisor and service; default: this program's", "FOLDER");
    for_tests("--loader-timeout", words->loader_timeout, "How long the firmware may take to reach the loader", "SECONDS");
    for_tests("--replace", words->replace, "Put FILE at PATH of the machine's disk; an empty FILE removes what is there", "/PATH=FILE")
        ->allow_extra_args(false)->take_all();
    verb->callback([words, more = std::move(more), &status] {
        words->arguments.insert(words->arguments.end(), more.begin(), more.end());
        status = spoken(run(*words));
    });
}

} // namespace kennel::tool
