#![doc = "recsys in W8."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Recsys<mmoe::W8>);
