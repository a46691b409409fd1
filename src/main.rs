//! TEMPORARY: only the sandbox helper, until the command line is here.

fn main() -> std::process::ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == "sandbox-exec")
    {
        let code = hermes_gateway::sandbox::helper_main();
        return u8::try_from(code).map_or(std::process::ExitCode::FAILURE, std::process::ExitCode::from);
    }
    std::process::ExitCode::FAILURE
}
