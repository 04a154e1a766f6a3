//! `skitaid`: the bare server. It has no apps of its own; it serves files.

// A program chooses how memory is given out, never a library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    skitai::main([])
}
