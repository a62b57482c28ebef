// SPDX-License-Identifier: Apache-2.0
//
// main() of the host tests, and what they print: one line per test case, `PASS name` or `FAIL name: where: what`.
// A sanitizer that stops the program gets its line as well, with its own report above it.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>
#include <doctest/doctest.h>
#include <sanitizer/common_interface_defs.h>
#include <string>

namespace {

std::string running;                                    // name of the test case under way; empty between them

std::string one_line(std::string text)
{
    for (char& c : text)
        if (c == '\n' || c == '\t')
            c = ' ';
    return text;
}

struct Lines : doctest::IReporter {
    explicit Lines(doctest::ContextOptions const&) {}

    void test_case_start(doctest::TestCaseData const& test) override
    {
        running = one_line(test.m_name);
        first_fault_.clear();
    }
    void test_case_end(doctest::CurrentTestCaseStats const& stats) override
    {
        if (stats.failure_flags == 0)
            std::printf("PASS %s\n", running.c_str());
        else
            std::printf("FAIL %s: %s\n", running.c_str(), first_fault_.empty() ? "stopped early" : first_fault_.c_str());
        std::fflush(stdout);
        running.clear();
    }
    void test_case_exception(doctest::TestCaseException const& fault) override { note("exception: ", fault.error_string.c_str()); }
    void log_assert(doctest::AssertData const& fault) override
    {
        if (!fault.m_failed)
            return;
        std::string const where = std::string{fault.m_file} + ":" + std::to_string(fault.m_line) + ": ";
        note(where, std::string{fault.m_expr} + " is false: " + fault.m_decomp.c_str());
    }
    void log_message(doctest::MessageData const& message) override
    {
        if (message.m_severity != doctest::assertType::is_warn)
            note("", message.m_string.c_str());
    }

    void report_query(doctest::QueryData const&) override {}
    void test_run_start() override {}
    void test_run_end(doctest::TestRunStats const&) override {}
    void test_case_reenter(doctest::TestCaseData const&) override {}
    void subcase_start(doctest::SubcaseSignature const&) override {}
    void subcase_end() override {}
    void test_case_skipped(doctest::TestCaseData const&) override {}

private:
    void note(std::string const& where, std::string const& what)
    {
        if (first_fault_.empty())
            first_fault_ = one_line(where + what);
    }

    std::string first_fault_;
};
REGISTER_REPORTER("lines", 1, Lines);

void died()
{
    if (!running.empty())
        std::printf("FAIL %s: stopped by a sanitizer, see above\n", running.c_str());
    std::fflush(stdout);
}

} // namespace

int main(int count, char** arguments)
{
    __sanitizer_set_death_callback(died);
    doctest::Context context;
    context.setOption("reporters", "lines");
    context.applyCommandLine(count, arguments);
    return context.run();
}
