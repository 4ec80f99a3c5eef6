//! [`show`]: the settings in words.

use core::fmt::Arguments;

use crate::Calls;
use crate::console::{Console, Sink};
use crate::report::ScaledWhole;
use crate::settings::{Buffering, Format, Settings};
use crate::stdio::Stream;

/// What a path may be long, its NUL included.
const PATH_BYTES: usize = 4096;

/// Tells the settings to `file`, or else to the console.
pub fn show<'c, C: Calls>(
    calls: &'c C,
    settings: &Settings,
    console: &mut Console<'c, C>,
    mut file: Option<&mut Stream>,
) {
    let Settings {
        number,
        transactions,
        bias_read,
        bias_create,
        seed,
        subdirectories,
        ref locations,
        ..
    } = *settings;
    let mut put = |console: &mut Console<'c, C>, text: Arguments<'_>| {
        sink(calls, console, &mut file).print(text);
    };
    put(
        console,
        format_args!(
            "Current configuration is:\n\
             The base number of files is {number}\n\
             Transactions: {transactions}\n"
        ),
    );
    let low = ScaledWhole(settings.size_low);
    let high = ScaledWhole(settings.size_high);
    if settings.size_low == settings.size_high {
        put(console, format_args!("Files are {low} in size\n"));
    } else {
        put(console, format_args!("Files range between {low} and {high} in size\n"));
    }
    // Asked before the words, as the original does: the buffer may go between.
    let mut path = [0; PATH_BYTES];
    let length =
        if locations.is_empty() { calls.getcwd(&mut path).unwrap_or(0).min(PATH_BYTES) } else { 0 };
    let ending = if locations.len() > 1 { "ies" } else { "y" };
    put(console, format_args!("Working director{ending}: "));
    sink(calls, console, &mut file).print_bytes(&path[..length]);
    sink(calls, console, &mut file).print_bytes(b"\n");
    for location in locations {
        // The original prints these to the standard output, even if the rest
        // goes to a file.
        console.print_bytes(b"\t");
        console.print_bytes(&location.path);
        console.print(format_args!(" (weight={})\n", location.weight));
    }
    let mut put = |text: Arguments<'_>| sink(calls, console, &mut file).print(text);
    if subdirectories > 0 {
        let ending = if subdirectories > 1 { "ies" } else { "y" };
        put(format_args!("{subdirectories} subdirector{ending} will be used\n"));
    }
    put(format_args!(
        "Block sizes are: read={}, write={}\n\
         Biases are: read/append={bias_read}, create/delete={bias_create}\n\
         {}sing Unix buffered file I/O\n\
         Random number generator seed is {seed}\n\
         Report format is {}.\n",
        ScaledWhole(settings.read_block),
        ScaledWhole(settings.write_block),
        match settings.buffering {
            Buffering::Stdio => "U",
            Buffering::Raw => "Not u",
        },
        match settings.format {
            Format::Verbose => "verbose",
            Format::Terse => "terse",
        },
    ));
}

/// The file, or else the console.
fn sink<'a, 'c, C: Calls>(
    calls: &'c C,
    console: &'a mut Console<'c, C>,
    file: &'a mut Option<&mut Stream>,
) -> Sink<'a, 'c, C> {
    match file {
        Some(file) => Sink::File(calls, file),
        None => Sink::Console(console),
    }
}
