//! The globals that a pickle may name, and what the calls of the known ones make.

use super::super::collect::{ByteOrder, Dtype, elements};
use super::super::numpy;
use super::{Buffer, Elements, Id, Object, Odd, Storage, TensorRef, Value};

/// Models have no tensors of higher rank.
const HIGHEST_RANK: usize = 16;

/// A global that a pickle names.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Class<'a> {
    /// Dictionaries of all kinds: made of nothing, of a factory, or of a dictionary.
    Dict,
    /// Lists, sets, tuples and sizes: made of nothing or of a list.
    List,
    /// `_rebuild_tensor_v2`, and the older one.
    RebuildTensor,
    /// The same with its type beside an untyped storage.
    RebuildTensorV3,
    /// A parameter, or another tensor with something added: the tensor is its first argument.
    First,
    /// `_rebuild_from_type_v2`: the function, the type, the function's arguments, attributes.
    FromType,
    /// `copyreg._reconstructor` and `__newobj__`: the class is its first argument.
    Reconstructor,
    Storage(Elements),
    /// A type of torch's.
    TorchType(Result<Dtype, Odd>),
    /// A function that makes a tensor which is not read.
    Odd(Odd),
    NumpyArray,
    NumpyFromBuffer,
    NumpyType,
    NumpyScalar,
    /// `_codecs.encode`.
    Encode,
    /// Tensors' and arrays' own classes, and `object`: they say nothing.
    Plain,
    Unknown {
        module: &'a str,
        name: &'a str,
    },
}

const DENSE: &str = "Save it as a dense tensor, in Python:\n    torch.save({k: v.to_dense() for k, v \
                     in model.state_dict().items()}, \"model.pt\")";

const FLOAT_MODEL: &str = "Save the model as it was before it was quantized; mmoe quantizes it \
                           itself:\n    mmoe convert model.pt --precision i8 …";

const REAL: &str = "mmoe's models are of real numbers; save its parts as float32";

const GATHERED: &str = "Gather it before saving, in Python:\n    from \
                        torch.distributed.checkpoint.state_dict import get_model_state_dict, \
                        StateDictOptions\n    torch.save(get_model_state_dict(model, \
                        options=StateDictOptions(full_state_dict=True, cpu_offload=True)), \
                        \"model.pt\")";

const SAVED_BY_TORCH: &str = "Save it with torch, in Python:\n    \
                              torch.save(model.state_dict(), \"model.pt\")";

pub(in super::super) const SHARDED: Odd = odd("a part of a sharded tensor", GATHERED);
const QUANTIZED: Odd = odd("quantized", FLOAT_MODEL);
const SPARSE: Odd = odd("sparse", DENSE);
const COMPLEX: Odd = odd("of complex numbers", REAL);
const FLOAT8: Odd = odd("of 8-bit floats", FLOAT_MODEL);
const PLAIN_PICKLE: Odd = odd("pickled without torch.save", SAVED_BY_TORCH);

const fn odd(kind: &'static str, remedy: &'static str) -> Odd {
    Odd { kind, remedy }
}

impl<'a> Class<'a> {
    /// The class of this name. What is not listed is unknown, which does no harm.
    pub(super) fn named(module: &'a str, name: &'a str) -> Self {
        let storage = |dtype| Class::Storage(Elements::Known(dtype));
        let odd_storage = |kind, size| Class::Storage(Elements::Odd(kind, size));
        match (module, name) {
            ("collections", "OrderedDict" | "defaultdict" | "Counter" | "UserDict")
            | ("__builtin__" | "builtins", "dict") => Class::Dict,
            ("collections", "deque")
            | ("__builtin__" | "builtins", "list" | "set" | "frozenset" | "tuple")
            | ("torch", "Size")
            // TorchScript's marks of a list's type.
            | (
                "torch.jit._pickle",
                "restore_type_tag" | "build_intlist" | "build_doublelist" | "build_boollist"
                | "build_tensorlist",
            ) => Class::List,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Class::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Class::RebuildTensorV3,
            (
                "torch._utils",
                "_rebuild_parameter" | "_rebuild_parameter_with_state"
                | "_rebuild_device_tensor_from_numpy",
            ) => Class::First,
            ("torch._tensor", "_rebuild_from_type_v2" | "_rebuild_from_type") => Class::FromType,
            ("copyreg" | "copy_reg", "_reconstructor" | "__newobj__" | "__newobj_ex__") => {
                Class::Reconstructor
            }
            ("torch._utils", "_rebuild_qtensor") => Class::Odd(QUANTIZED),
            (
                "torch._utils",
                "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor" | "_rebuild_nested_tensor",
            ) => Class::Odd(SPARSE),
            ("torch._utils", "_rebuild_meta_tensor_no_storage") => Class::Odd(odd(
                "without data (on the `meta` device)",
                "Load the weights into the model before saving it",
            )),
            ("torch.storage", "_load_from_bytes") => Class::Odd(PLAIN_PICKLE),
            ("torch", "FloatStorage") => storage(Dtype::F32),
            ("torch", "DoubleStorage") => storage(Dtype::F64),
            ("torch", "HalfStorage") => storage(Dtype::F16),
            ("torch", "BFloat16Storage") => storage(Dtype::Bf16),
            ("torch", "LongStorage") => storage(Dtype::I64),
            ("torch", "IntStorage") => storage(Dtype::I32),
            ("torch", "ShortStorage") => storage(Dtype::I16),
            ("torch", "CharStorage") => storage(Dtype::I8),
            ("torch", "ByteStorage") => storage(Dtype::U8),
            ("torch", "BoolStorage") => storage(Dtype::Bool),
            ("torch", "ComplexFloatStorage") => odd_storage(COMPLEX, 8),
            ("torch", "ComplexDoubleStorage") => odd_storage(COMPLEX, 16),
            ("torch", "QInt8Storage" | "QUInt8Storage" | "QUInt4x2Storage") => {
                odd_storage(QUANTIZED, 1)
            }
            ("torch", "QInt32Storage") => odd_storage(QUANTIZED, 4),
            ("torch.storage" | "torch", "UntypedStorage") => Class::Storage(Elements::Untyped),
            ("torch", _) if torch_type(name).is_some() => {
                torch_type(name).map_or(Class::Unknown { module, name }, Class::TorchType)
            }
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Class::NumpyArray
            }
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Class::NumpyScalar,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => {
                Class::NumpyFromBuffer
            }
            ("numpy", "dtype") => Class::NumpyType,
            ("_codecs", "encode") => Class::Encode,
            ("numpy", "ndarray")
            | ("__builtin__" | "builtins", "object")
            | ("torch", "Tensor" | "device")
            | ("torch.nn.parameter", "Parameter" | "Buffer") => Class::Plain,
            _ => Class::Unknown { module, name },
        }
    }
}

fn torch_type(name: &str) -> Option<Result<Dtype, Odd>> {
    Some(match name {
        "float32" => Ok(Dtype::F32),
        "float64" => Ok(Dtype::F64),
        "float16" => Ok(Dtype::F16),
        "bfloat16" => Ok(Dtype::Bf16),
        "int64" => Ok(Dtype::I64),
        "int32" => Ok(Dtype::I32),
        "int16" => Ok(Dtype::I16),
        "int8" => Ok(Dtype::I8),
        "uint8" => Ok(Dtype::U8),
        "uint16" => Ok(Dtype::U16),
        "uint32" => Ok(Dtype::U32),
        "uint64" => Ok(Dtype::U64),
        "bool" => Ok(Dtype::Bool),
        "complex32" | "complex64" | "complex128" => Err(COMPLEX),
        "qint8" | "quint8" | "qint32" | "quint4x2" => Err(QUANTIZED),
        _ if name.starts_with("float8_") => Err(FLOAT8),
        _ => return None,
    })
}

/// The objects made so far, as a call sees them.
pub(super) struct Calls<'m, 'a> {
    pub(super) arena: &'m [Value<'a>],
}

impl<'a> Calls<'_, 'a> {
    fn value(&self, id: Id) -> &Value<'a> {
        &self.arena[id as usize]
    }

    fn text(&self, id: Id) -> Option<&'a str> {
        super::text(self.value(id))
    }

    /// What a class makes of its arguments: a new object, or one that is there. `None` where the
    /// arguments are none of its own.
    pub(super) fn call(&self, class: Class<'a>, arguments: Id) -> Option<Made<'a>> {
        let Value::Tuple(given) = self.value(arguments) else {
            return None;
        };
        let made = match (class, &given[..]) {
            // Made of another dictionary, it is that one: a copy would be for anyone to multiply.
            (Class::Dict, &[.., last]) => match self.value(last) {
                Value::Dict(_) => return Some(Made::There(last)),
                _ => Value::Dict(Vec::new()),
            },
            (Class::Dict, []) => Value::Dict(Vec::new()),
            (Class::List, &[first, ..]) => match self.value(first) {
                Value::Tuple(items) if items.is_empty() => Value::List(Vec::new()),
                Value::Tuple(_) | Value::List(_) => return Some(Made::There(first)),
                _ => Value::List(Vec::new()),
            },
            (Class::List, []) => Value::List(Vec::new()),
            (Class::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                self.tensor(storage, offset, shape, strides, None)?
            }
            (Class::RebuildTensorV3, &[storage, offset, shape, strides, _, _, dtype, ..]) => {
                match self.value(dtype) {
                    Value::Class(Class::TorchType(Ok(dtype))) => {
                        self.tensor(storage, offset, shape, strides, Some(*dtype))?
                    }
                    Value::Class(Class::TorchType(Err(odd))) => Value::Odd(*odd),
                    _ => return None,
                }
            }
            (Class::First, &[tensor, ..]) => return Some(Made::There(tensor)),
            (Class::FromType, &[function, _, arguments, ..]) => match self.value(function) {
                // Called once more, with its own arguments: such calls do not nest.
                Value::Class(Class::FromType) => return None,
                Value::Class(function) => return self.call(*function, arguments),
                _ => return None,
            },
            (Class::Reconstructor, &[class, ..]) => match self.value(class) {
                Value::Class(Class::Unknown { module, name }) => unknown(module, name, arguments),
                Value::Class(Class::Dict) => Value::Dict(Vec::new()),
                Value::Class(Class::List) => Value::List(Vec::new()),
                _ => Value::Other,
            },
            (Class::Odd(odd), _) => Value::Odd(odd),
            (Class::NumpyArray, _) => Value::EmptyArray,
            (Class::NumpyFromBuffer, &[bytes, dtype, shape, order, ..]) => {
                let fortran = self.text(order) == Some("F");
                self.array(bytes, dtype, shape, fortran)?
            }
            (Class::NumpyType, &[name, ..]) => {
                Value::NumpyType(self.text(name).unwrap_or_default(), ByteOrder::Little)
            }
            (Class::NumpyScalar | Class::TorchType(_) | Class::Plain, _) => Value::Other,
            (Class::Encode, &[text, ..]) => match self.value(text) {
                Value::Text(text) => Value::Latin1(text),
                _ => Value::Other,
            },
            (Class::Unknown { module, name }, _) => unknown(module, name, arguments),
            _ => return None,
        };
        Some(Made::New(made))
    }

    /// What a NumPy array's state makes of it: version, shape, type, whether its order is
    /// Fortran's, content.
    pub(super) fn array_of_state(&self, state: Id) -> Option<Value<'a>> {
        let Value::Tuple(state) = self.value(state) else {
            return None;
        };
        let (&[shape, dtype, fortran, content] | &[_, shape, dtype, fortran, content]) = &state[..]
        else {
            return None;
        };
        let fortran = matches!(self.value(fortran), Value::Bool(true) | Value::Int(1));
        self.array(content, dtype, shape, fortran)
    }

    fn array(&self, content: Id, dtype: Id, shape: Id, fortran: bool) -> Option<Value<'a>> {
        let Value::NumpyType(kind, order) = *self.value(dtype) else {
            return Some(Value::Other);
        };
        let Some(dtype) = numpy::kind(kind) else {
            return Some(match kind.get(..1) {
                // Strings, objects, records and times are no tensors.
                Some("U" | "S" | "O" | "V" | "M" | "m") => Value::Other,
                Some("c") => Value::Odd(COMPLEX),
                _ => Value::Odd(odd("of a NumPy type that is not known", REAL)),
            });
        };
        let buffer = match *self.value(content) {
            Value::Bytes(bytes) => Buffer::Bytes(bytes, order),
            Value::Latin1(text) => Buffer::Latin1(text, order),
            _ => return None,
        };
        let shape = self.sizes(shape)?;
        elements(&shape)?;
        let strides = numpy::strides(&shape, fortran);
        Some(Value::Tensor(Box::new(TensorRef {
            buffer,
            dtype,
            offset: 0,
            shape,
            strides,
        })))
    }

    fn size(&self, id: Id) -> Option<usize> {
        match self.value(id) {
            Value::Int(n) => usize::try_from(*n).ok(),
            _ => None,
        }
    }

    fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        match self.value(id) {
            Value::Tuple(items) if items.len() <= HIGHEST_RANK => {
                items.iter().map(|&i| self.size(i)).collect()
            }
            // `torch.Size`.
            Value::List(items) if items.len() <= HIGHEST_RANK => {
                items.iter().map(|&i| self.size(i)).collect()
            }
            _ => None,
        }
    }

    fn tensor(
        &self,
        storage: Id,
        offset: Id,
        shape: Id,
        strides: Id,
        dtype: Option<Dtype>,
    ) -> Option<Value<'a>> {
        let Storage { elements, key } = match self.value(storage) {
            Value::Storage(storage) => *storage,
            Value::Odd(odd) => return Some(Value::Odd(*odd)),
            _ => return None,
        };
        let dtype = match (elements, dtype) {
            (Elements::Odd(odd, _), _) => return Some(Value::Odd(odd)),
            (Elements::Known(dtype), None) | (_, Some(dtype)) => dtype,
            (Elements::Untyped, None) => return None,
        };
        let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
        let fits = shape.len() == strides.len();
        fits.then_some(Value::Tensor(Box::new(TensorRef {
            buffer: Buffer::Storage(key),
            dtype,
            offset: self.size(offset)?,
            shape,
            strides,
        })))
    }
}

/// What a call gives.
pub(super) enum Made<'a> {
    New(Value<'a>),
    There(Id),
}

/// An object of a class that is not known.
pub(super) fn unknown<'a>(module: &'a str, name: &'a str, arguments: Id) -> Value<'a> {
    Value::Object(Box::new(Object {
        module,
        name,
        list: Vec::new(),
        items: Vec::new(),
        arguments,
        state: None,
    }))
}
