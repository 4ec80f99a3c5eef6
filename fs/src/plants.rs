//! Planted bugs, to see that the tests find such ones.
//!
//! Built with `--cfg anchorite_plants`, the crates have the bugs that the `planted!`s name
//! in them, each sleeping until the environment variable `ANCHORITE_PLANT` names it.
//! Otherwise `planted!` is the constant `false`, and nothing is left of them in the code.

/// Whether the bug of this name is awake.
#[cfg(anchorite_plants)]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        $crate::plants::is_awake($name)
    };
}

/// Whether the bug of this name is awake: never in this build.
#[cfg(not(anchorite_plants))]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        false
    };
}

/// Nothing of a planted bug is compiled into this build.
#[cfg(not(anchorite_plants))]
const _: () = assert!(!planted!("any"));

/// Whether the bug of this name is awake.
#[cfg(anchorite_plants)]
pub fn is_awake(name: &str) -> bool {
    static AWAKE: std::sync::OnceLock<Option<std::string::String>> = std::sync::OnceLock::new();
    AWAKE.get_or_init(|| std::env::var("ANCHORITE_PLANT").ok()).as_deref() == Some(name)
}
