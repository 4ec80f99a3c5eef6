//! `postmark [--json] [CONFIG]`: the port as a Linux program.

fn main() {
    let args = std::env::args_os().skip(1);
    std::process::exit(anchorite_postmark_native::main(args));
}
