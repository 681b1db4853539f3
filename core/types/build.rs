//! Compiles the wire's .proto files with protox, so that a build needs no protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["proto/relay.proto", "proto/peer.proto"], ["proto"])?;
    prost_build::Config::new().btree_map(["."]).type_attribute(".", "#[allow(missing_docs)]").compile_fds(files)?;
    Ok(())
}
