//! The command `interleavings`: explores scenarios, in processes that a nested cargo built.
//! Built for a model itself, it is such a process.

#[cfg(anchorite_model)]
mod explore;

#[cfg(anchorite_model)]
fn main() -> std::process::ExitCode {
    explore::main()
}

#[cfg(not(anchorite_model))]
fn main() -> std::process::ExitCode {
    use anchorite_interleavings::driver;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match driver::command(&arguments) {
        Ok(true) => std::process::ExitCode::SUCCESS,
        Ok(false) => std::process::ExitCode::FAILURE,
        Err(sentence) => {
            eprintln!("{sentence}");
            std::process::ExitCode::from(2)
        }
    }
}
