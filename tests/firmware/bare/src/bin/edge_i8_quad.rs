#![doc = "edge in I8<Quad>."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Edge<mmoe::I8<mmoe::precision::Quad>>);
