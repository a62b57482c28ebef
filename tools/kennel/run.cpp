// SPDX-License-Identifier: Apache-2.0
//
// See run.hpp. The steps: words -> Plan (checked) -> manifest -> disk -> machine -> session.
#include "tools/kennel/run.hpp"
#include "tools/kennel/command_line.hpp"
#include "tools/kennel/configuration.hpp"
#include "tools/kennel/description.hpp"
#include "tools/kennel/esp.hpp"
#include "tools/kennel/session.hpp"
#include "tools/kennel/size.hpp"
#include <algorithm>
#include <memory>

namespace kennel::tool {

namespace {

// What the user said, as text; parsed below, so that a mistake gets our own words.
struct Words {
    std::string memory, kernel;
    std::vector<std::string> arguments;
    std::string initrd, name = "guest", policy = "stop", machine;
    std::string emulator = "auto", cpu_model, machine_memory, log, images, keep, input_after;
    std::optional<u32> cpus;
    u32  timeout = 0, loader_timeout = 0;
    u64  ips = 100'000'000;
    bool verbose = false, trust_guests = false;
    std::vector<std::string> block, replace;
};

Or<Plan> plan_from(Words const& words)
{
    if (!words.machine.empty()) {
        if (!words.memory.empty())
            return bad_usage("either --machine=FILE or MEMORY and KERNEL can be given, not both");
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
    guest.name = words.name;
    guest.memory = TRY(parse_size(words.memory));
    guest.kernel = words.kernel;
    if (!words.initrd.empty())
        guest.initrd = words.initrd;
    guest.command_line = TRY(guest_command_line(words.arguments));
    guest.policy = TRY(parse_policy(words.policy));
    guest.attached = true;
    for (auto const& word : words.block)
        guest.disks.push_back(TRY(parse_disk(word)));
    plan.guests.push_back(std::move(guest));
    return plan;
}

// Of a configuration file, or of the words alone.
Or<Configuration> configuration_from(Words const& words)
{
    if (!fs::path{words.memory}.extension().string().starts_with(".toml"))
        return Configuration{.plan = TRY(plan_from(words))};
    if (!words.kernel.empty() || !words.arguments.empty() || !words.machine.empty() || !words.initrd.empty() || !words.block.empty())
        return bad_usage("{} describes the guests: no KERNEL, arguments, --initrd, --block or --machine can be given beside it", words.memory);
    return use_configuration(words.memory);
}

Or<u64> machine_memory(Words const& words, Configuration const& configuration)
{
    if (words.machine_memory.empty())
        return usual_machine_memory(configuration);
    u64 const given = TRY(parse_size(words.machine_memory));
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
        list.push_back({word.substr(0, equals), source.empty() ? fs::path{} : fs::absolute(source)});
    }
    return list;
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

Or<ExitStatus> run(Words const& words)
{
    auto configuration = TRY(configuration_from(words));
    Plan& plan = configuration.plan;
    TRY(check_plan(plan));
    if (words.cpus)
        configuration.cpus = *words.cpus;
    if (configuration.cpus < 1 || configuration.cpus > abi::max_cpus)
        return bad_usage("--machine-cpus={}: 1 to {} are possible", configuration.cpus, abi::max_cpus);
    auto const option = [&](abi::MachineOption value) { plan.options |= static_cast<u32>(value); };
    auto const choice = TRY(choose_emulator(words.emulator));
    bool const bochs = choice.emulator == Emulator::bochs_2 || choice.emulator == Emulator::bochs_3;
    if (bochs || words.emulator == "auto")             // `auto` may still fall back to Bochs
        option(abi::MachineOption::emulator_exit);
    if (words.trust_guests)
        option(abi::MachineOption::trust_guests);
    if (words.verbose)
        option(abi::MachineOption::verbose);
    auto const manifest = TRY(make_manifest(plan));
    auto const drives = TRY(LockedDrives::lock(manifest.drives));
    auto log = TRY(open_log(words.log));
    auto const replacements = TRY(replacements_from(words.replace));
    if (!choice.why.empty())
        say("{}", choice.why);

    block_ending_signals();
    auto const temporary = TRY(TemporaryFolder::create());
    fs::path const folder = words.keep.empty() ? temporary.path() : fs::absolute(words.keep);
    std::error_code error;
    fs::create_directories(folder, error);
    auto const disk = TRY(make_esp(find_images(words.images), manifest, replacements, folder));
    Settings settings{
        .emulator = choice.emulator,
        .program = choice.program,
        .cpu_model = words.cpu_model,
        .cpus = configuration.cpus,
        .memory = TRY(machine_memory(words, configuration)),
        .instructions_per_second = words.ips,
        .disk = disk,
        .drives = drives.drives(),
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
    Session session{std::move(settings), std::move(options), std::move(log)};
    return session.run();
}

} // namespace

void add_run(CLI::App& program, std::vector<std::string> more, ExitStatus& status)
{
    auto const words = std::make_shared<Words>();
    auto* const verb = program.add_subcommand("run", "Start a machine and run a kernel in it as a guest: kennel run 128m vmlinuz --initrd=initrd.img");
    verb->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    verb->footer("Every word that is no option is an argument of the kernel, and all words after -- are. console=ttyS0 is added\n"
                 "unless a console= is given. Sizes take k, m, g.\n\n"
                 "Exit status: 0 all guests stopped as they should, 1 a guest failed, 2 bad usage or configuration,\n"
                 "3 the machine could not start, 124 time limit.");
    verb->add_option("MEMORY", words->memory, "The guest's memory, for example 128m; or a configuration, FILE.toml, and nothing else");
    verb->add_option("KERNEL", words->kernel, "A Linux bzImage, or an ELF file");
    verb->add_option("ARGUMENTS", words->arguments, "The kernel's arguments")->take_all();
    verb->add_option("--initrd", words->initrd, "The guest's initial RAM disk")->type_name("FILE");
    verb->add_option("--block", words->block, "A disk: FILE[,ro][,overlay[=SIZE]][,ram][,write-through][,partition=LABEL][,partuuid=UUID], or ram:SIZE; the first is /dev/vda")
        ->type_name("FILE")->allow_extra_args(false)->take_all();
    verb->add_option("--name", words->name, "The guest's name")->capture_default_str()->type_name("NAME");
    verb->add_option("--policy", words->policy, "When the guest stops: stop, restart or hold")->capture_default_str()->type_name("POLICY");
    verb->add_option("--machine", words->machine, "Several guests and services, described in a JSON file (tools/kennel/description.hpp)")->type_name("FILE");
    verb->add_option("--emulator", words->emulator, "auto, bochs, bochs-2.7, bochs-3.0 or qemu")->capture_default_str()->type_name("NAME");
    verb->add_option("--cpu-model", words->cpu_model, "The emulator's CPU model; Bochs: corei7_skylake_x, QEMU with KVM: host")->type_name("NAME");
    verb->add_option("--machine-cpus", words->cpus, "Processors of the machine; default 1, or what the configuration says")->type_name("N");
    verb->add_option("--machine-memory", words->machine_memory, "Memory of the machine; default 512m, or what the guests need")->type_name("SIZE");
    verb->add_option("--ips", words->ips, "Bochs: instructions per emulated second")->capture_default_str()->type_name("N");
    verb->add_option("--timeout", words->timeout, "End the machine after so many seconds, with status 124")->type_name("SECONDS");
    verb->add_option("--log", words->log, "Write the loader's lines and the hypervisor's log to a file")->type_name("FILE");
    verb->add_flag("--verbose", words->verbose, "Show them on standard error, too");
    verb->add_flag("--trust-guests", words->trust_guests, "Map executable memory by 2 MiB even where the iTLB multihit erratum may exist");
    verb->add_option("--input-after", words->input_after, "Pass standard input on once the console has shown TEXT")->type_name("TEXT");
    verb->add_option("--images", words->images, "The build folder with loader, hypervisor and service; default: this program's")->type_name("FOLDER");
    verb->add_option("--keep", words->keep, "Keep the machine's disk, configuration and logs in a folder")->type_name("FOLDER");
    verb->add_option("--loader-timeout", words->loader_timeout, "How long the firmware may take to reach the loader")->type_name("SECONDS");
    verb->add_option("--replace", words->replace, "For tests: put FILE at PATH of the machine's disk; an empty FILE removes what is there")
        ->type_name("/PATH=FILE")->allow_extra_args(false)->take_all();
    verb->callback([words, more = std::move(more), &status] {
        words->arguments.insert(words->arguments.end(), more.begin(), more.end());
        status = spoken(run(*words));
    });
}

} // namespace kennel::tool
