//! A restricted unpickler: it builds numbers, strings, lists, dictionaries and descriptions of
//! torch tensors, and refuses every other global by name. Nothing is ever imported or called.
//!
//! Objects stand in an arena and refer to each other by index, so that shared and cyclic ones cost
//! nothing extra and nothing here recurses.

use std::collections::HashMap;

use super::Reason;
use super::collect::{Budget, Dtype};

/// What one instruction can make us allocate at most, beside the bytes it carries: an object, its
/// place on the stack or in a container, and one in the memo, each with room for growth.
const PER_INSTRUCTION: u64 = 96;

/// Bounds on what one instruction copies: keys are numbers, and models have no tensors of higher
/// rank.
const LONGEST_KEY: usize = 64;
const HIGHEST_RANK: usize = 16;

/// An object's index in the arena.
pub(super) type Id = u32;

/// An unpickled object.
#[derive(Debug)]
pub(super) enum Value {
    /// `None`, and all that is of no use to us: bytes, floats, integers beyond 64 bits.
    Other,
    Bool(bool),
    Int(i64),
    Text(Box<str>),
    Class(Class),
    Tuple(Box<[Id]>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Storage(Box<Storage>),
    Tensor(Box<TensorRef>),
}

/// The globals that a pickle may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
}

/// A buffer of elements that stands outside of the pickle.
#[derive(Debug, Clone)]
pub(super) struct Storage {
    pub(super) dtype: Dtype,
    pub(super) key: Box<str>,
}

/// A view on a storage.
#[derive(Debug, Clone)]
pub(super) struct TensorRef {
    pub(super) storage: Storage,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// The objects of one pickle.
#[derive(Debug)]
pub(super) struct Unpickled {
    arena: Vec<Value>,
    /// The object that was pickled.
    pub(super) root: Id,
    /// How many bytes the pickle takes.
    pub(super) len: usize,
}

impl Unpickled {
    pub(super) fn get(&self, id: Id) -> &Value {
        &self.arena[id as usize]
    }

    /// All objects, in no order that means anything.
    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        self.arena.iter()
    }
}

/// Builds the object that `bytes` begin with.
pub(super) fn unpickle(bytes: &[u8], budget: &mut Budget) -> Result<Unpickled, Reason> {
    let mut machine = Machine {
        bytes,
        at: 0,
        arena: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        budget.take(PER_INSTRUCTION, "its pickle")?;
        if let Some(root) = machine.step()? {
            return Ok(Unpickled {
                arena: machine.arena,
                root,
                len: machine.at,
            });
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    arena: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

fn damaged(reason: impl ToString) -> Reason {
    Reason::damaged("pickle", reason)
}

impl<'a> Machine<'a> {
    /// Carries out one instruction; gives the root at the end.
    fn step(&mut self) -> Result<Option<Id>, Reason> {
        match self.byte()? {
            0x80 => drop(self.byte()?),  // PROTO
            0x95 => drop(self.take(8)?), // FRAME
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.push(Value::Other),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => {
                let n = self.byte()?;
                self.push(Value::Int(n.into()));
            }
            b'M' => {
                let n = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(n.into()));
            }
            b'J' => {
                let n = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(n.into()));
            }
            0x8a => {
                let n = self.byte()?;
                self.long(n.into())?;
            }
            0x8b => {
                let n = u32::from_le_bytes(self.array()?);
                self.long(n as usize)?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Other);
            }
            0x8c => {
                let n = self.byte()?;
                self.text(n.into())?;
            }
            b'X' => {
                let n = u32::from_le_bytes(self.array()?);
                self.text(n as usize)?;
            }
            0x8d => {
                let n = self.length64()?;
                self.text(n)?;
            }
            b'U' | b'C' => {
                let n = self.byte()?;
                self.blob(n.into())?;
            }
            b'T' | b'B' => {
                let n = u32::from_le_bytes(self.array()?);
                self.blob(n as usize)?;
            }
            0x8e | 0x96 => {
                let n = self.length64()?;
                self.blob(n)?;
            }
            b')' => self.push(Value::Tuple(Box::default())),
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items.into()));
            }
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b'l' => {
                let items = self.pop_mark()?;
                self.push(Value::List(items));
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.set_items(&items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
            }
            b'q' => {
                let n = self.byte()?;
                self.put(n.into())?;
            }
            b'r' => {
                let n = u32::from_le_bytes(self.array()?);
                self.put(n)?;
            }
            0x94 => self.put(self.memo.len() as u32)?,
            b'h' => {
                let n = self.byte()?;
                self.fetch(n.into())?;
            }
            b'j' => {
                let n = u32::from_le_bytes(self.array()?);
                self.fetch(n)?;
            }
            // INST names its class as GLOBAL does, and none of the classes we know is pickled with
            // it.
            b'c' | b'i' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(module, name)?;
            }
            0x93 => {
                let name = self.pop_text()?;
                let module = self.pop_text()?;
                self.global(&module, &name)?;
            }
            b'Q' => self.persistent()?,
            // OrderedDict is made by either.
            b'R' | 0x81 => self.call()?,
            b'b' => self.build()?,
            op => {
                return Err(damaged(format_args!(
                    "instruction 0x{op:02x} at byte {} is none that tensors need",
                    self.at - 1
                )));
            }
        }
        Ok(None)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Reason> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..n).ok_or_else(|| damaged("it is truncated"))?;
        self.at += n;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Reason> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| damaged("it is truncated"))
    }

    fn length64(&mut self) -> Result<usize, Reason> {
        usize::try_from(u64::from_le_bytes(self.array()?)).map_err(damaged)
    }

    fn line(&mut self) -> Result<&'a str, Reason> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|&b| b == b'\n')
            .ok_or_else(|| damaged("it is truncated"))?;
        let line = self.take(end + 1)?;
        std::str::from_utf8(&line[..end]).map_err(damaged)
    }

    fn push(&mut self, value: Value) {
        // An object takes at least one byte of the file, so their number fits as long as the file's
        // length does.
        self.stack.push(self.arena.len() as Id);
        self.arena.push(value);
    }

    fn top(&self) -> Result<Id, Reason> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.get(floor..) {
            Some([.., top]) => Ok(*top),
            _ => Err(damaged("its stack runs empty")),
        }
    }

    fn pop(&mut self) -> Result<Id, Reason> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Reason> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Err(damaged("its stack has no mark")),
        }
    }

    fn pop_text(&mut self) -> Result<Box<str>, Reason> {
        let id = self.pop()?;
        self.text_of(id)
            .map(Box::from)
            .ok_or_else(|| damaged("a name is no string"))
    }

    fn value(&self, id: Id) -> &Value {
        &self.arena[id as usize]
    }

    fn text_of(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn tuple(&mut self, n: usize) -> Result<(), Reason> {
        let mut items = Vec::with_capacity(n);
        for _ in 0..n {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items.into()));
        Ok(())
    }

    fn long(&mut self, n: usize) -> Result<(), Reason> {
        let bytes = self.take(n)?;
        let value = match bytes {
            [] => Value::Int(0),
            [.., last] if n <= 8 => {
                let mut wide = [if last & 0x80 == 0 { 0 } else { 0xff }; 8];
                wide[..n].copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(wide))
            }
            _ => Value::Other,
        };
        self.push(value);
        Ok(())
    }

    fn text(&mut self, n: usize) -> Result<(), Reason> {
        let text = std::str::from_utf8(self.take(n)?).map_err(damaged)?;
        self.push(Value::Text(text.into()));
        Ok(())
    }

    /// Python 2 wrote its strings as bytes; other bytes are of no use.
    fn blob(&mut self, n: usize) -> Result<(), Reason> {
        let value = match std::str::from_utf8(self.take(n)?) {
            Ok(text) => Value::Text(text.into()),
            Err(_) => Value::Other,
        };
        self.push(value);
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Result<(), Reason> {
        let list = self.top()?;
        match &mut self.arena[list as usize] {
            Value::List(list) => {
                list.extend_from_slice(items);
                Ok(())
            }
            _ => Err(damaged("it appends to something that is no list")),
        }
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), Reason> {
        let dict = self.top()?;
        match (&mut self.arena[dict as usize], items.as_chunks::<2>()) {
            (Value::Dict(dict), (pairs, [])) => {
                dict.extend(pairs.iter().map(|&[k, v]| (k, v)));
                Ok(())
            }
            _ => Err(damaged("it sets items of something that is no dictionary")),
        }
    }

    fn put(&mut self, key: u32) -> Result<(), Reason> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn fetch(&mut self, key: u32) -> Result<(), Reason> {
        let id = self.memo.get(&key);
        let id = id.ok_or_else(|| damaged("it refers to an object before it was made"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), Reason> {
        let class = match (module, name) {
            ("collections", "OrderedDict") => Class::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Class::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Class::RebuildParameter,
            ("torch", "FloatStorage") => Class::Storage(Dtype::F32),
            ("torch", "DoubleStorage") => Class::Storage(Dtype::F64),
            ("torch", "HalfStorage") => Class::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Class::Storage(Dtype::Bf16),
            ("torch", "LongStorage") => Class::Storage(Dtype::I64),
            ("torch", "IntStorage") => Class::Storage(Dtype::I32),
            ("torch", "ShortStorage") => Class::Storage(Dtype::I16),
            ("torch", "CharStorage") => Class::Storage(Dtype::I8),
            ("torch", "ByteStorage") => Class::Storage(Dtype::U8),
            ("torch", "BoolStorage") => Class::Storage(Dtype::Bool),
            _ => {
                return Err(Reason::ForbiddenGlobal {
                    global: format!("{module:.100}.{name:.100}"),
                });
            }
        };
        self.push(Value::Class(class));
        Ok(())
    }

    /// `('storage', class, key, location, number of elements)`; older files have `None` after that.
    fn persistent(&mut self) -> Result<(), Reason> {
        let id = self.pop()?;
        let storage = match self.value(id) {
            Value::Tuple(items) if items.len() >= 5 => {
                let whole = items[5..]
                    .iter()
                    .all(|&i| matches!(self.value(i), Value::Other));
                match (self.text_of(items[0]), self.value(items[1])) {
                    (Some("storage"), Value::Class(Class::Storage(dtype))) if whole => self
                        .text_of(items[2])
                        .filter(|key| key.len() <= LONGEST_KEY)
                        .map(|key| (*dtype, Box::<str>::from(key))),
                    _ => None,
                }
            }
            _ => None,
        };
        let (dtype, key) = storage.ok_or_else(|| damaged("a reference is to no storage"))?;
        self.push(Value::Storage(Box::new(Storage { dtype, key })));
        Ok(())
    }

    fn call(&mut self) -> Result<(), Reason> {
        let arguments = self.pop()?;
        let class = self.pop()?;
        let (Value::Class(class), Value::Tuple(arguments)) =
            (self.value(class), self.value(arguments))
        else {
            return Err(damaged("it calls something that is no class"));
        };
        match (class, &arguments[..]) {
            (Class::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Class::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                let tensor = self.tensor(storage, offset, shape, strides);
                let tensor = tensor.ok_or_else(|| damaged("a tensor's description is none"))?;
                self.push(Value::Tensor(Box::new(tensor)));
            }
            (Class::RebuildParameter, &[tensor, ..]) => self.stack.push(tensor),
            _ => return Err(damaged("it makes an object of the wrong arguments")),
        }
        Ok(())
    }

    fn tensor(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Option<TensorRef> {
        let Value::Storage(storage) = self.value(storage) else {
            return None;
        };
        let size = |id: Id| match self.value(id) {
            Value::Int(n) => usize::try_from(*n).ok(),
            _ => None,
        };
        let sizes = |id: Id| match self.value(id) {
            Value::Tuple(items) if items.len() <= HIGHEST_RANK => {
                items.iter().map(|&i| size(i)).collect::<Option<Vec<_>>>()
            }
            _ => None,
        };
        let (shape, strides) = (sizes(shape)?, sizes(strides)?);
        (shape.len() == strides.len()).then_some(TensorRef {
            storage: storage.as_ref().clone(),
            offset: size(offset)?,
            shape,
            strides,
        })
    }

    /// Attributes of a dictionary (torch keeps module versions there) are of no use.
    fn build(&mut self) -> Result<(), Reason> {
        self.pop()?;
        match self.value(self.top()?) {
            Value::Dict(_) => Ok(()),
            _ => Err(damaged("it sets attributes of something that has none")),
        }
    }
}
