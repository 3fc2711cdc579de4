//! The machine that a pickle's instructions drive: a stack, a memo and an arena of objects.

use std::collections::HashMap;

use super::super::Reason;
use super::super::collect::{Budget, ByteOrder};
use super::classes::{Calls, Class, Made, unknown};
use super::{Id, Storage, Unpickled, Value};

/// What making an object takes: its place in the arena, which has grown to twice what it holds,
/// what it has on the heap, and its place on the stack.
const PER_OBJECT: u64 = 96;

/// What a reference takes: in a container or on the stack.
const PER_REFERENCE: u64 = 16;

/// What an entry of the memo takes.
const PER_MEMO: u64 = 32;

/// What most objects of a pickle are stands in every arena once, as it never changes.
const NONE: Id = 0;
const FALSE: Id = 1;
const TRUE: Id = 2;
const EMPTY: Id = 3;

/// Builds the object that `bytes` begin with.
pub(in super::super) fn unpickle<'a>(
    bytes: &'a [u8],
    budget: &mut Budget,
) -> Result<Unpickled<'a>, Reason> {
    let mut machine = Machine {
        bytes,
        at: 0,
        budget,
        arena: vec![
            Value::Other,
            Value::Bool(false),
            Value::Bool(true),
            Value::Tuple(Box::default()),
        ],
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        if let Some(root) = machine.step()? {
            return Ok(Unpickled {
                arena: machine.arena,
                root,
                len: machine.at,
            });
        }
    }
}

struct Machine<'b, 'a> {
    bytes: &'a [u8],
    at: usize,
    budget: &'b mut Budget,
    arena: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

fn damaged(reason: impl ToString) -> Reason {
    Reason::damaged("pickle", reason)
}

impl<'a> Machine<'_, 'a> {
    /// Carries out one instruction; gives the root at the end.
    fn step(&mut self) -> Result<Option<Id>, Reason> {
        match self.byte()? {
            0x80 => drop(self.byte()?),  // PROTO
            0x95 => drop(self.take(8)?), // FRAME
            b'.' => return self.pop().map(Some),
            b'(' => {
                self.book(PER_REFERENCE)?;
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.refer(top)?;
            }
            b'N' => self.refer(NONE)?,
            0x89 => self.refer(FALSE)?,
            0x88 => self.refer(TRUE)?,
            b'K' => {
                let n = self.byte()?;
                self.push(Value::Int(n.into()))?;
            }
            b'M' => {
                let n = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(n.into()))?;
            }
            b'J' => {
                let n = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(n.into()))?;
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
                let n = f64::from_be_bytes(self.array()?);
                self.push(Value::Float(n))?;
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
            b')' => self.refer(EMPTY)?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items.into()))?;
            }
            b']' | 0x8f => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Value::List(items))?;
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Value::Dict(Vec::new()))?;
                self.set_items(&items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' | 0x90 => {
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
            b'c' => {
                let class = self.class_of_lines()?;
                self.push(Value::Class(class))?;
            }
            // An object of the class and the arguments that follow.
            b'i' => {
                let class = self.class_of_lines()?;
                let arguments = self.pop_mark()?;
                self.push(Value::Tuple(arguments.into()))?;
                let arguments = self.pop()?;
                self.make(class, arguments)?;
            }
            b'o' => {
                let items = self.pop_mark()?;
                let (&class, arguments) = items
                    .split_first()
                    .ok_or_else(|| damaged("it makes an object of no class"))?;
                self.push(Value::Tuple(arguments.into()))?;
                let arguments = self.pop()?;
                self.make_of(class, arguments)?;
            }
            0x93 => {
                let name = self.pop_text()?;
                let module = self.pop_text()?;
                self.push(Value::Class(Class::named(module, name)))?;
            }
            b'Q' => self.persistent()?,
            // A call and the making of an object come to the same.
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let class = self.pop()?;
                self.make_of(class, arguments)?;
            }
            // The same with arguments by name, which no class that is known has.
            0x92 => {
                self.pop()?;
                let arguments = self.pop()?;
                let class = self.pop()?;
                self.make_of(class, arguments)?;
            }
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

    fn book(&mut self, bytes: u64) -> Result<(), Reason> {
        self.budget.take(bytes, "its pickle")
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), Reason> {
        self.book(PER_OBJECT)?;
        // An object takes at least one byte of the file, so their number fits as long as the file's
        // length does.
        self.stack.push(self.arena.len() as Id);
        self.arena.push(value);
        Ok(())
    }

    /// Pushes an object that is there.
    fn refer(&mut self, id: Id) -> Result<(), Reason> {
        self.book(PER_REFERENCE)?;
        self.stack.push(id);
        Ok(())
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

    fn pop_text(&mut self) -> Result<&'a str, Reason> {
        let id = self.pop()?;
        self.text_of(id)
            .ok_or_else(|| damaged("a name is no string"))
    }

    fn value(&self, id: Id) -> &Value<'a> {
        &self.arena[id as usize]
    }

    fn text_of(&self, id: Id) -> Option<&'a str> {
        super::text(self.value(id))
    }

    fn class_of_lines(&mut self) -> Result<Class<'a>, Reason> {
        let module = self.line()?;
        let name = self.line()?;
        Ok(Class::named(module, name))
    }

    fn tuple(&mut self, n: usize) -> Result<(), Reason> {
        let mut items = Vec::with_capacity(n);
        for _ in 0..n {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items.into()))?;
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
        self.push(value)
    }

    fn text(&mut self, n: usize) -> Result<(), Reason> {
        let text = std::str::from_utf8(self.take(n)?).map_err(damaged)?;
        self.push(Value::Text(text))
    }

    fn blob(&mut self, n: usize) -> Result<(), Reason> {
        let bytes = self.take(n)?;
        self.push(Value::Bytes(bytes))
    }

    /// What takes no items drops them: it is of no use to us, or was made with all of its own.
    fn append(&mut self, items: &[Id]) -> Result<(), Reason> {
        self.book(items.len() as u64 * PER_REFERENCE)?;
        let list = self.top()?;
        match &mut self.arena[list as usize] {
            Value::List(list) => list.extend_from_slice(items),
            Value::Object(object) => object.list.extend_from_slice(items),
            Value::Other | Value::Tuple(_) => {}
            _ => return Err(damaged("it appends to something that is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), Reason> {
        self.book(items.len() as u64 * PER_REFERENCE)?;
        let dict = self.top()?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(damaged("it sets a key without a value"));
        };
        let pairs = pairs.iter().map(|&[k, v]| (k, v));
        match &mut self.arena[dict as usize] {
            Value::Dict(dict) => dict.extend(pairs),
            Value::Object(object) => object.items.extend(pairs),
            Value::Other => {}
            _ => return Err(damaged("it sets items of something that is no dictionary")),
        }
        Ok(())
    }

    fn put(&mut self, key: u32) -> Result<(), Reason> {
        self.book(PER_MEMO)?;
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn fetch(&mut self, key: u32) -> Result<(), Reason> {
        let id = self.memo.get(&key).copied();
        self.refer(id.ok_or_else(|| damaged("it refers to an object before it was made"))?)
    }

    /// `('storage', class, key, location, number of elements)`; older files have `None` after that.
    /// Older files of whole modules refer to classes too: `('module', class, file, source)`.
    fn persistent(&mut self) -> Result<(), Reason> {
        let id = self.pop()?;
        let missing = || damaged("a reference is to no storage");
        let Value::Tuple(items) = self.value(id) else {
            return Err(missing());
        };
        let kind = items.first().and_then(|&i| self.text_of(i));
        match (kind, &items[..]) {
            (Some("storage"), &[_, class, key, _, _, ref rest @ ..])
                if rest.iter().all(|&i| matches!(self.value(i), Value::Other)) =>
            {
                let &Value::Class(Class::Storage(elements)) = self.value(class) else {
                    return Err(missing());
                };
                let key = self.text_of(key).ok_or_else(missing)?;
                self.push(Value::Storage(Storage { elements, key }))
            }
            (Some("module"), &[_, class, ..]) => self.refer(class),
            _ => Err(missing()),
        }
    }

    fn make_of(&mut self, class: Id, arguments: Id) -> Result<(), Reason> {
        match *self.value(class) {
            Value::Class(class) => self.make(class, arguments),
            // What an object of no known class gives when it is called.
            Value::Object(ref object) => {
                let made = unknown(object.module, object.name, arguments);
                self.book(PER_OBJECT)?;
                self.push(made)
            }
            _ => Err(damaged("it calls something that is no class")),
        }
    }

    fn make(&mut self, class: Class<'a>, arguments: Id) -> Result<(), Reason> {
        let calls = Calls { arena: &self.arena };
        match calls.call(class, arguments) {
            Some(Made::New(value)) => {
                if matches!(value, Value::Object(_) | Value::Tensor(_)) {
                    self.book(PER_OBJECT)?;
                }
                self.push(value)
            }
            Some(Made::There(id)) => self.refer(id),
            None => Err(damaged(match class {
                Class::RebuildTensor | Class::RebuildTensorV3 | Class::NumpyFromBuffer => {
                    "a tensor's description is none"
                }
                _ => "it makes an object of the wrong arguments",
            })),
        }
    }

    /// Gives an object its state. That of a dictionary (torch keeps module versions there) and of
    /// other containers is of no use.
    fn build(&mut self) -> Result<(), Reason> {
        let state = self.pop()?;
        let id = self.top()?;
        let made = match self.value(id) {
            Value::EmptyArray => {
                let calls = Calls { arena: &self.arena };
                let array = calls.array_of_state(state);
                array.ok_or_else(|| damaged("an array's description is none"))?
            }
            Value::NumpyType(kind, _) => {
                // `(3, '<', …)`.
                let order = match self.value(state) {
                    Value::Tuple(parts) => parts.get(1).and_then(|&i| self.text_of(i)),
                    _ => None,
                };
                let order = match order {
                    Some(">") => ByteOrder::Big,
                    _ => ByteOrder::Little,
                };
                Value::NumpyType(kind, order)
            }
            Value::Object(_) => {
                if let Value::Object(object) = &mut self.arena[id as usize] {
                    object.state = Some(state);
                }
                return Ok(());
            }
            Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Class(_) => {
                return Err(damaged("it sets attributes of something that has none"));
            }
            _ => return Ok(()),
        };
        self.arena[id as usize] = made;
        Ok(())
    }
}
