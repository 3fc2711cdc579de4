#![doc = "autoencoder in W8."]
#![no_std]
#![no_main]
bare::image!(firmware_models::Autoencoder<mmoe::W8>);
