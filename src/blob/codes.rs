//! The codes of the records, as enums.
//!
//! Records keep the bytes as they lie in the file, since a damaged or newer blob may hold any byte;
//! `from_code` is the only way from a byte to an enum. The enums are exhaustive on purpose: a new
//! code makes the compiler name every `match`, here and in the tool, that does not know it yet.

macro_rules! codes {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$about:meta])* $variant:ident = $code:literal, $text:literal;)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum $name {
            $($(#[$about])* $variant = $code,)+
        }

        impl $name {
            /// All variants, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the byte that stands for it in a record.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// Returns what a byte of a record stands for, or `None` for a byte that this version does
            /// not know.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Returns its name, for people.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

codes! {
    /// How the record of a gate names the experts that it sees.
    SeesForm {
        /// A mask: bit b of `sees` stands for value `first + b`.
        Mask = 0, "mask";
        /// Two runs of values, where one of them is the 33rd of the level or a later one.
        Runs = 1, "runs";
    }
}

codes! {
    /// What a node of the wiring does.
    NodeOp {
        /// Its value is mixed by gates, or read directly where its level has no gates.
        Expert = 0, "expert";
        /// Its value is an output.
        Tower = 1, "tower";
        /// A gate: `softmax(z)`.
        Softmax = 16, "softmax";
        /// A gate: `sigmoid(z)` each, not normalised.
        Sigmoid = 17, "sigmoid";
        /// A gate: 1 for the largest logit.
        Hard = 18, "hard";
        /// A gate: softmax over the k largest logits.
        TopK = 19, "top-k";
        /// A gate: the softmax weights of the k largest logits, not normalised again.
        TopKRaw = 20, "top-k, not renormalised";
        /// A gate: stored weights.
        Constant = 21, "constant";
        /// A gate: DSelect-k per example.
        DSelectK = 22, "DSelect-k";
        /// A gate: the logits themselves are the weights.
        Linear = 23, "linear";
    }
}

codes! {
    /// What a layer computes.
    LayerKind {
        /// `act(W x + b)` to activations.
        Dense = 0, "dense";
        /// `W x + b` to logits: the last layer of gates and towers.
        Logits = 1, "logits";
        /// Per-unit `gain·x + bias`.
        Affine = 2, "affine";
        /// Per-unit slope below zero.
        PRelu = 3, "prelu";
        /// Layer normalisation.
        LayerNorm = 4, "layer norm";
        /// A constant gate's weights.
        Constant = 5, "constant";
        /// An activation on its own.
        Pointwise = 6, "pointwise";
        /// Division by the root of the mean square.
        RmsNorm = 7, "rms norm";
        /// Division by the length.
        UnitNorm = 8, "unit norm";
        /// Layer normalisation of each of several groups of neighbouring units.
        GroupNorm = 9, "group norm";
        /// Per-unit `x·(alpha + (1 − alpha)·sigmoid(gain·x + bias))`.
        Dice = 10, "dice";
        /// The same with the row's deviation, divided by its length, under the sigmoid.
        RowDice = 11, "row dice";
        /// Codes in place of one-hot columns, for the matrix that follows.
        Hot = 12, "hot";
    }
}

codes! {
    /// The activation of a dense layer.
    ActivationKind {
        /// `x`.
        Linear = 0, "linear";
        /// `max(x, 0)`.
        Relu = 1, "relu";
        /// A stored slope below zero.
        LeakyRelu = 2, "leaky relu";
        /// Logistic function.
        Sigmoid = 3, "sigmoid";
        /// Hyperbolic tangent.
        Tanh = 4, "tanh";
        /// `x·Φ(x)`.
        Gelu = 5, "gelu";
        /// Its approximation by a hyperbolic tangent.
        GeluTanh = 6, "gelu (tanh)";
        /// `x·sigmoid(rate·x)`.
        Silu = 7, "silu";
        /// `x < 0 ? depth·(exp(rate·x) − 1) : slope·x`: selu and celu too.
        Elu = 8, "elu";
        /// `ln(1 + exp(rate·x)) / rate`.
        Softplus = 9, "softplus";
        /// `x·tanh(softplus(x))`.
        Mish = 10, "mish";
        /// `x / (1 + |x|)`.
        Softsign = 11, "softsign";
        /// `x·clip(x + 3, 0, 6) / 6`.
        HardSwish = 12, "hard swish";
        /// `x` between two bounds: relu6, hardtanh.
        Clip = 13, "clip";
        /// `e^x`.
        Exp = 14, "exp";
        /// x² (a curve).
        Square = 15, "square";
    }
}

codes! {
    /// The precision of a layer.
    PrecisionKind {
        /// f32 weights.
        F32 = 0, "F32";
        /// int8 weights, one f32 scale per row.
        W8 = 1, "W8";
        /// int8 weights, int16 activations.
        I8 = 2, "I8";
        /// int16 weights, int16 activations.
        I16 = 3, "I16";
    }
}

codes! {
    /// The order of a matrix's weights.
    PackingKind {
        /// Panels (see `docs/format.md`).
        Panels = 0, "panels";
        /// Panels of four rows, as words whose lower three bytes are stored + 128.
        Quad = 1, "quad";
        /// Panels of four rows, two rows in each int16.
        Pairs = 2, "pairs";
    }
}

codes! {
    /// What the output of a task is.
    OutputKind {
        /// The tower's values as they are.
        Linear = 0, "linear";
        /// A probability.
        Sigmoid = 1, "sigmoid";
        /// Class probabilities.
        Softmax = 2, "softmax";
        /// The product of two tasks.
        Product = 3, "product";
    }
}

codes! {
    /// What the model reads.
    InputKind {
        /// f32 features (in an integer model with a scale and an offset each, before the weights).
        Raw = 0, "raw";
        /// A record of fields, which the features of section `Features` make into the vector.
        Record = 1, "record";
    }
}

codes! {
    /// What a field of a record is.
    Given {
        /// A number, NaN where it is missing.
        F32 = 0, "f32";
        /// An integer.
        I32 = 1, "i32";
        /// An id, or the number of a variant.
        U32 = 2, "u32";
        /// Text: bytes, compared as they are.
        Text = 3, "text";
    }
}

codes! {
    /// How a field becomes a code, from 0.
    CoderKind {
        /// Not at all: it stays a number.
        Number = 0, "number";
        /// The number is the code.
        Direct = 1, "direct";
        /// The place among sorted keys.
        Sorted = 2, "sorted";
        /// The place of the text's hash among sorted hashes.
        Texts = 3, "texts";
        /// The same, with the text compared too.
        Exact = 4, "exact";
        /// How many bounds are not above the number.
        Buckets = 5, "buckets";
        /// FarmHash's Fingerprint64, modulo the entries.
        Farm = 6, "farm";
        /// SipHash-2-4 with a stored key, modulo the entries.
        Sip = 7, "sip";
        /// The size of MurmurHash3 (32 bits, seed 0), modulo the entries.
        Murmur = 8, "murmur";
    }
}

codes! {
    /// What a feature makes of a field.
    Makes {
        /// The number itself.
        Number = 0, "number";
        /// The code as an element, for layers of kind `Hot`; of a list one element an item.
        Slot = 1, "slot";
        /// The code's row.
        Row = 2, "row";
        /// The sum of the rows of a list.
        Sum = 3, "sum";
        /// The mean of the rows of a list.
        Mean = 4, "mean";
        /// The largest of each element of the rows of a list.
        Max = 5, "max";
        /// The rows of a list side by side.
        Rows = 6, "rows";
    }
}

codes! {
    /// The tag of a section of the header. A reader skips even tags that it does not know and
    /// refuses odd ones.
    SectionTag {
        /// The records of a front end's features.
        Features = 1, "features";
        /// Model name (str) and version (u32).
        Identity = 2, "identity";
        /// The program that wrote the blob (str).
        Producer = 4, "producer";
        /// How the model was quantized (bytes of the tool's own).
        Quantization = 6, "quantization";
        /// Self-test rows.
        SelfTest = 8, "self-test";
        /// Gate temperatures that were folded into the weights.
        Temperature = 10, "temperature";
        /// What the conversion assumed and nobody compared.
        Assumed = 12, "assumed";
        /// The texts of a front end's fields, in the order of their codes.
        Vocabulary = 14, "vocabulary";
        /// How the trained model's vector with one-hot columns becomes numbers and codes.
        Vector = 16, "vector";
    }
}

impl NodeOp {
    /// Returns `true` if it computes gate weights and mixes experts by them.
    #[must_use]
    pub const fn is_gate(self) -> bool {
        match self {
            Self::Expert | Self::Tower => false,
            Self::Softmax
            | Self::Sigmoid
            | Self::Hard
            | Self::TopK
            | Self::TopKRaw
            | Self::Constant
            | Self::DSelectK
            | Self::Linear => true,
        }
    }

    /// Its part in the model: `expert`, `gate` or `tower`.
    #[must_use]
    pub const fn role(self) -> &'static str {
        if self.is_gate() { "gate" } else { self.name() }
    }
}

impl LayerKind {
    /// The first code that is free for a user's own layers.
    pub const USER: u8 = 128;

    /// Whether it multiplies by a matrix.
    #[must_use]
    pub const fn is_matrix(self) -> bool {
        match self {
            Self::Dense | Self::Logits => true,
            Self::Affine
            | Self::PRelu
            | Self::LayerNorm
            | Self::Constant
            | Self::Pointwise
            | Self::RmsNorm
            | Self::UnitNorm
            | Self::GroupNorm
            | Self::Dice
            | Self::RowDice
            | Self::Hot => false,
        }
    }
}

impl ActivationKind {
    /// What it stores in a float model: the names of its first numbers of three, the others being 0. An
    /// integer model stores a table instead. `None` for the activations that need neither.
    #[must_use]
    pub const fn curve(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Linear | Self::Relu | Self::LeakyRelu | Self::Sigmoid | Self::Tanh => None,
            Self::Gelu
            | Self::GeluTanh
            | Self::Mish
            | Self::Softsign
            | Self::HardSwish
            | Self::Exp
            | Self::Square => Some(&[]),
            Self::Silu => Some(&["rate"]),
            Self::Elu => Some(&["depth", "rate", "slope"]),
            Self::Softplus => Some(&["rate", "1 / rate"]),
            Self::Clip => Some(&["low", "high"]),
        }
    }
}

impl PrecisionKind {
    /// Returns `true` if activations are int16 rather than f32.
    #[must_use]
    pub const fn is_integer(self) -> bool {
        match self {
            Self::F32 | Self::W8 => false,
            Self::I8 | Self::I16 => true,
        }
    }
}

impl Default for PackingKind {
    /// The order for every target.
    fn default() -> Self {
        Self::Panels
    }
}

impl PackingKind {
    /// Whether layers of this precision may have it.
    #[must_use]
    pub const fn fits(self, precision: PrecisionKind) -> bool {
        match self {
            Self::Panels => true,
            Self::Quad | Self::Pairs => matches!(precision, PrecisionKind::I8),
        }
    }
}
