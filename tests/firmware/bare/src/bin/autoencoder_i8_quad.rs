#![doc = "autoencoder in I8<Quad>."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Autoencoder<mmoe::I8<mmoe::precision::Quad>>);
