#![doc = "edge in I8<Pairs>."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Edge<mmoe::I8<mmoe::precision::Pairs>>);
