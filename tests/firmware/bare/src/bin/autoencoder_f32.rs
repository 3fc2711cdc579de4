#![doc = "autoencoder in F32."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Autoencoder<mmoe::F32>);
