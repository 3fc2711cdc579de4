#![doc = "autoencoder in I8."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Autoencoder<mmoe::I8>);
