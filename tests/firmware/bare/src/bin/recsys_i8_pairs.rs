#![doc = "recsys in I8<Pairs>."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Recsys<mmoe::I8<mmoe::precision::Pairs>>);
