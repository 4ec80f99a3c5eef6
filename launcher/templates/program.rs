//! A program for anchorite: `anchorite run NAME/` starts it.
#![no_std]
#![no_main]

use anchorite::{Context, Result, api, println};

anchorite::main!(main);

fn main(ctx: &Context<'_>) -> Result<()> {
    let sys = ctx.sys;
    api::create_dir(sys, "/greetings")?;
    api::write(sys, "/greetings/first", "Hello from NAME!")?;
    println!(ctx, "{}", api::read_to_string(sys, "/greetings/first")?);
    Ok(())
}
