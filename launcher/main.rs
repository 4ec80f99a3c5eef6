//! The executable `anchorite`; all that it does is in the library beside it.

fn main() -> std::process::ExitCode {
    anchorite_launcher::main()
}
