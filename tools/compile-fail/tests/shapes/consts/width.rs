//! Wider than the format can say.
use mmoe::blob::NodeInfo;

const _: NodeInfo = NodeInfo::plain(70_000);

fn main() {}
