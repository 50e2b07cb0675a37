//! How programs are built: quickly or well.

/// A profile of cargo for the host, and one for guests. `Cargo.toml` says what each is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Without link-time optimisation: for a first look, and for the tests.
    Quick,
    /// Optimised as one program: for serving and for measurements.
    Release,
}

impl Profile {
    /// The profile that the flag `--release` asks for.
    pub fn released(release: bool) -> Profile {
        if release { Profile::Release } else { Profile::Quick }
    }

    /// The host's in `Cargo.toml`, which is also the name of its folder in `target`.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Quick => "quick",
            Profile::Release => "release",
        }
    }

    /// The one of guests in Rust.
    pub fn of_guests(self) -> &'static str {
        match self {
            Profile::Quick => "guest-quick",
            Profile::Release => "guest",
        }
    }
}
