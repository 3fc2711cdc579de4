//! The messages of a SavedModel, as far as its computation and its variables need them; the field
//! numbers are those of TensorFlow's `.proto` files.

use std::collections::HashMap;

/// The file.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SavedModel {
    #[prost(message, repeated, tag = "2")]
    pub(super) graphs: Vec<MetaGraph>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MetaGraph {
    #[prost(message, optional, tag = "2")]
    pub(super) graph: Option<Graph>,
    #[prost(message, optional, tag = "3")]
    pub(super) saver: Option<Saver>,
    #[prost(map = "string, message", tag = "5")]
    pub(super) signatures: HashMap<String, Signature>,
    #[prost(message, repeated, tag = "6")]
    pub(super) assets: Vec<Asset>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Asset {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor: Option<TensorInfo>,
    #[prost(string, tag = "2")]
    pub(super) file: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Saver {
    #[prost(string, tag = "3")]
    pub(super) restore: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Signature {
    #[prost(map = "string, message", tag = "1")]
    pub(super) inputs: HashMap<String, TensorInfo>,
    #[prost(map = "string, message", tag = "2")]
    pub(super) outputs: HashMap<String, TensorInfo>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TensorInfo {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "2")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "3")]
    pub(super) shape: Option<Shape>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = "2")]
    pub(super) dims: Vec<Dim>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Dim {
    #[prost(int64, tag = "1")]
    pub(super) size: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub(super) nodes: Vec<Node>,
    #[prost(message, optional, tag = "2")]
    pub(super) library: Option<Library>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Library {
    #[prost(message, repeated, tag = "1")]
    pub(super) functions: Vec<Function>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Function {
    #[prost(message, optional, tag = "1")]
    pub(super) head: Option<Head>,
    #[prost(message, repeated, tag = "3")]
    pub(super) nodes: Vec<Node>,
    #[prost(map = "string, string", tag = "4")]
    pub(super) returns: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Head {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) inputs: Vec<Argument>,
    #[prost(message, repeated, tag = "3")]
    pub(super) outputs: Vec<Argument>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Argument {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Node {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) kind: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) inputs: Vec<String>,
    #[prost(map = "string, message", tag = "5")]
    pub(super) attributes: HashMap<String, Attribute>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Attribute {
    #[prost(message, optional, tag = "1")]
    pub(super) list: Option<List>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) text: Option<Vec<u8>>,
    #[prost(int64, optional, tag = "3")]
    pub(super) int: Option<i64>,
    #[prost(float, optional, tag = "4")]
    pub(super) float: Option<f32>,
    #[prost(bool, optional, tag = "5")]
    pub(super) flag: Option<bool>,
    #[prost(int32, optional, tag = "6")]
    pub(super) dtype: Option<i32>,
    #[prost(message, optional, tag = "8")]
    pub(super) tensor: Option<Tensor>,
    #[prost(message, optional, tag = "10")]
    pub(super) function: Option<Argument>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct List {
    #[prost(int64, repeated, tag = "3")]
    pub(super) ints: Vec<i64>,
    #[prost(float, repeated, tag = "4")]
    pub(super) floats: Vec<f32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Tensor {
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<Shape>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) content: Vec<u8>,
    #[prost(float, repeated, tag = "5")]
    pub(super) floats: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    pub(super) doubles: Vec<f64>,
    #[prost(int32, repeated, tag = "7")]
    pub(super) ints: Vec<i32>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub(super) texts: Vec<Vec<u8>>,
    #[prost(int64, repeated, tag = "10")]
    pub(super) longs: Vec<i64>,
    #[prost(bool, repeated, tag = "11")]
    pub(super) flags: Vec<bool>,
}

/// What the index of a checkpoint says of its files.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BundleHead {
    #[prost(int32, tag = "1")]
    pub(super) shards: i32,
}

/// What the index of a checkpoint says of a tensor.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Entry {
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<Shape>,
    #[prost(int32, tag = "3")]
    pub(super) shard: i32,
    #[prost(int64, tag = "4")]
    pub(super) offset: i64,
    #[prost(int64, tag = "5")]
    pub(super) size: i64,
}
