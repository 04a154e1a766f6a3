//! `skitaid`: the bare server. It has no apps of its own; it serves files.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    skitai::main([])
}
