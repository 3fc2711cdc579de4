#![doc = "recsys in I8<Quad>."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Recsys<mmoe::I8<mmoe::precision::Quad>>);
