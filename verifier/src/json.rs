//! Strict JSON (RFC 8259): no duplicate names, no BOM, no lone surrogates, no infinite numbers, bounded everywhere.
//!
//! Parsing happens once and here, so that two readers can never disagree about what a token says.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

mod number;

/// One value and the byte offset where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node<'a> {
    pub(crate) at: usize,
    pub(crate) value: Value<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// As written; known to be finite.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    Object(Object<'a>),
}

/// The members in their order; names are unique after unescaping.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Node<'a>)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) at: usize,
    pub(crate) fault: JsonFault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonFault {
    Syntax,
    DuplicateMember,
    /// Deeper, longer or wider than the limits below.
    Limits,
}

/// Parses one JSON text and nothing after it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Node<'_>, JsonError> {
    let text = core::str::from_utf8(bytes).map_err(|error| fault(error.valid_up_to(), JsonFault::Syntax))?;
    let mut reader = Reader { text, at: 0 };
    reader.skip_whitespace();
    let node = reader.value(0)?;
    reader.skip_whitespace();
    if reader.at == text.len() { Ok(node) } else { Err(reader.syntax()) }
}

impl<'a> Object<'a> {
    #[inline(never)] // for size: every claim is asked for
    pub(crate) fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, node)| node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node<'a>)> {
        self.0.iter().map(|(name, node)| (name.as_ref(), node))
    }
}

impl<'a> Value<'a> {
    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_array(&self) -> Option<&[Node<'a>]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    pub(crate) fn as_object(&self) -> Option<&Object<'a>> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// A number without sign, fraction and exponent.
    #[inline(never)] // for size: who reads one reads several
    pub(crate) fn as_whole(&self) -> Option<u64> {
        if let Self::Number(text) = self { text.parse().ok() } else { None }
    }

    /// A number as whole seconds or a count: fractions fall to the smaller, negatives to 0, giants to `u64::MAX`.
    pub(crate) fn as_u64(&self) -> Option<u64> {
        let Self::Number(text) = self else { return None };
        Some(text.parse().unwrap_or_else(|_| number::whole(text)))
    }
}

const MAX_DEPTH: usize = 32;
const MAX_MEMBERS: usize = 256;
const MAX_NAME: usize = 256;
const MAX_ITEMS: usize = 4096;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Node<'a>, JsonError> {
        if depth > MAX_DEPTH {
            return Err(fault(self.at, JsonFault::Limits));
        }
        let at = self.at;
        let value = match self.peek() {
            Some(b'{') => Value::Object(self.object(depth)?),
            Some(b'[') => Value::Array(self.array(depth)?),
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            _ => self.word()?,
        };
        Ok(Node { at, value })
    }

    fn object(&mut self, depth: usize) -> Result<Object<'a>, JsonError> {
        let mut members: Vec<(Cow<'a, str>, Node<'a>)> = Vec::new();
        self.at += 1;
        self.skip_whitespace();
        if self.take(b'}') {
            return Ok(Object(members));
        }
        loop {
            let name_at = self.at;
            let name = self.string()?;
            if name.len() > MAX_NAME || members.len() == MAX_MEMBERS {
                return Err(fault(name_at, JsonFault::Limits));
            }
            if members.iter().any(|(member, _)| *member == name) {
                return Err(fault(name_at, JsonFault::DuplicateMember));
            }
            self.skip_whitespace();
            self.require(b':')?;
            self.skip_whitespace();
            members.push((name, self.value(depth + 1)?));
            self.skip_whitespace();
            if self.take(b'}') {
                return Ok(Object(members));
            }
            self.require(b',')?;
            self.skip_whitespace();
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Node<'a>>, JsonError> {
        let mut items = Vec::new();
        self.at += 1;
        self.skip_whitespace();
        if self.take(b']') {
            return Ok(items);
        }
        loop {
            if items.len() == MAX_ITEMS {
                return Err(fault(self.at, JsonFault::Limits));
            }
            items.push(self.value(depth + 1)?);
            self.skip_whitespace();
            if self.take(b']') {
                return Ok(items);
            }
            self.require(b',')?;
            self.skip_whitespace();
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.require(b'"')?;
        let mut unescaped: Option<String> = None;
        let mut start = self.at;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => {
                    let tail = self.text.get(start..self.at).ok_or(self.syntax())?;
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(tail),
                        Some(head) => Cow::Owned(head + tail),
                    });
                }
                Some(b'\\') => {
                    let piece = self.text.get(start..self.at).ok_or(self.syntax())?;
                    let text = unescaped.get_or_insert_default();
                    text.push_str(piece);
                    self.at += 1;
                    let character = self.escape()?;
                    text.push(character);
                    start = self.at;
                }
                _ => return Err(self.syntax()),
            }
        }
    }

    /// To what ends a string or needs a look.
    fn skip_plain(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        self.at += plain.unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let letter = self.peek().ok_or(self.syntax())?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(self.syntax()),
        })
    }

    /// `\uXXXX` after the `u`; a surrogate must have its other half, or the text is no Unicode (RFC 8259 §8.2).
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                self.require(b'\\')?;
                self.require(b'u')?;
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.syntax());
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        char::from_u32(code).ok_or(self.syntax())
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16)).ok_or(self.syntax())?;
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let whole_digits = self.at - start;
        if self.take(b'.') {
            self.digits()?;
        }
        let exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).ok_or(self.syntax())?;
        // Only these can be too large for a double; a reader that takes them for infinity would never expire a token.
        if (exponent || whole_digits > 300) && number::is_infinite(text) {
            return Err(fault(start, JsonFault::Syntax));
        }
        Ok(text)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.syntax()) } else { Ok(()) }
    }

    fn word(&mut self) -> Result<Value<'a>, JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        for (word, value) in
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
        {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.syntax())
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn require(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.syntax()) }
    }

    const fn syntax(&self) -> JsonError {
        fault(self.at, JsonFault::Syntax)
    }
}

const fn fault(at: usize, fault: JsonFault) -> JsonError {
    JsonError { at, fault }
}

/// Appends `text` as a JSON string.
pub(crate) fn write_string(text: &str, json: &mut String) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\0'..='\x1f' => {
                // A `String` takes everything.
                let _ = write!(json, "\\u{:04x}", character as u32);
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests;
