//! A strict, bounded reader of one JSON object over a byte slice.
//!
//! It decides what is JSON and what is not (P1, P2) and hands out the members of the outermost object; what they
//! mean is for [`settings`](crate::settings). It allocates nothing, never recurses, looks at each byte a bounded
//! number of times, and keeps the kinds of the open brackets in one `u64`, so its stack use does not depend on the
//! input. Nested values are checked and skipped, not handed out.

use crate::bytes::compare;

/// The longest content that is read, in bytes (P2). It is the size limit of a whole Matrix event.
pub const MAX_LENGTH: usize = 65_536;

/// The deepest nesting that is read (P2). The outermost object is depth 1.
pub const MAX_DEPTH: u32 = 64;

/// Why bytes are not a JSON object that this reader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum JsonError {
    /// More than [`MAX_LENGTH`] bytes.
    TooLong,
    /// Brackets nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// They may be JSON, but what they begin is not an object.
    NotAnObject,
    /// The grammar of RFC 8259 is broken, or something follows the object.
    Syntax,
}

impl core::fmt::Display for JsonError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            JsonError::TooLong => "longer than 65,536 bytes",
            JsonError::TooDeep => "nested deeper than 64 levels",
            JsonError::NotUtf8 => "not UTF-8",
            JsonError::NotAnObject => "not a JSON object",
            JsonError::Syntax => "not valid JSON",
        })
    }
}

impl core::error::Error for JsonError {}

/// A JSON string as it stands in the input, its escapes checked but not decoded.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// The bytes between the quotes, escapes as written.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether the string, its escapes decoded, is `name`, which is ASCII. A string with anything beyond ASCII, lone
    /// surrogates included, equals no such name (P1, P3). Linear in the shorter of the two.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        if self.escaped {
            let mut characters = Decoded { raw: self.raw };
            name.bytes().all(|byte| characters.next() == Some(u16::from(byte))) && characters.next().is_none()
        } else {
            self.raw.len() == name.len() && compare(self.raw, name.as_bytes()).is_eq()
        }
    }
}

/// Decodes the escapes of a checked string. Yields a code unit for each escape and a byte for anything else, which
/// is enough to compare with ASCII: no byte or unit of a character beyond ASCII is below 0x80.
struct Decoded<'a> {
    raw: &'a [u8],
}

impl Iterator for Decoded<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let (unit, rest) = match self.raw {
            [b'\\', b'u', a, b, c, d, rest @ ..] => {
                let unit = [a, b, c, d].into_iter().fold(0, |unit, &digit| unit << 4 | hexadecimal(digit));
                (unit, rest)
            }
            [b'\\', escape, rest @ ..] => {
                let character = match escape {
                    b'b' => 0x08,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'f' => 0x0c,
                    b'r' => b'\r',
                    quoted => *quoted,
                };
                (u16::from(character), rest)
            }
            [byte, rest @ ..] => (u16::from(*byte), rest),
            [] => return None,
        };
        self.raw = rest;
        Some(unit)
    }
}

/// A number with one more decimal digit, while it fits.
fn append_digit(number: Option<u64>, digit: u8) -> Option<u64> {
    number?.checked_mul(10)?.checked_add(u64::from(digit & 0x0f))
}

/// The value of a hexadecimal digit that has been checked.
fn hexadecimal(digit: u8) -> u16 {
    u16::from(match digit {
        b'0'..=b'9' => digit & 0x0f,
        letter => (letter & 0x0f) + 9,
    })
}

/// A JSON number without fraction and exponent, of any length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer {
    /// Written with a minus sign.
    pub negative: bool,
    /// What follows the sign; `None` when it is above `u64::MAX`.
    pub magnitude: Option<u64>,
}

/// The value of a member.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent.
    Integer(Integer),
    /// A number with a fraction or an exponent, whatever its value.
    Fractional,
    /// A string.
    String(Text<'a>),
    /// An array; its elements were checked and skipped.
    Array,
    /// An object; its members were checked and skipped.
    Object,
}

/// One member of the outermost object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The key.
    pub key: Text<'a>,
    /// Where the key's opening quote stands in the input, as a byte offset.
    pub key_start: usize,
    /// The value.
    pub value: Value<'a>,
    /// Where the value stands in the input, as a range of byte offsets.
    pub value_start: usize,
    /// One past the value's last byte.
    pub value_end: usize,
}

/// Reads the members of one JSON object in their order. Only when
/// [`next_member`](ObjectReader::next_member) has returned `Ok(None)` is the whole input known to be an RFC 8259 object within the bounds; until then, an error may follow.
#[derive(Debug)]
pub struct ObjectReader<'a> {
    input: Input<'a>,
    length: usize,
    begun: bool,
}

impl<'a> ObjectReader<'a> {
    /// Checks length, UTF-8 and the opening brace.
    ///
    /// # Errors
    /// [`JsonError::TooLong`], [`JsonError::NotUtf8`], [`JsonError::NotAnObject`]; [`JsonError::Syntax`] when
    /// nothing begins at all.
    pub fn new(bytes: &'a [u8]) -> Result<Self, JsonError> {
        if bytes.len() > MAX_LENGTH {
            return Err(JsonError::TooLong); // P2
        }
        if core::str::from_utf8(bytes).is_err() {
            return Err(JsonError::NotUtf8); // P1
        }
        let mut input = Input { rest: bytes };
        input.skip_white_space();
        match input.next_byte() {
            Some(b'{') => Ok(ObjectReader { input, length: bytes.len(), begun: false }),
            Some(b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Err(JsonError::NotAnObject),
            _ => Err(JsonError::Syntax),
        }
    }

    /// The next member, or `None` at the end of the object and the input.
    ///
    /// # Errors
    /// [`JsonError::Syntax`], [`JsonError::TooDeep`]. After an error or the end, there is nothing more to ask for.
    pub fn next_member(&mut self) -> Result<Option<Member<'a>>, JsonError> {
        self.input.skip_white_space();
        if self.begun {
            match self.input.next_byte() {
                Some(b',') => self.input.skip_white_space(),
                Some(b'}') => return self.end(),
                _ => return Err(JsonError::Syntax),
            }
        } else {
            self.begun = true;
            if self.input.take(b'}') {
                return self.end();
            }
        }
        let key_start = self.offset();
        let key = self.input.key()?;
        let value_start = self.offset();
        let value = match self.input.value()? {
            Start::Scalar(value) => value,
            Start::Open(bracket) => {
                self.input.skip_nested(bracket)?;
                match bracket {
                    Bracket::Square => Value::Array,
                    Bracket::Curly => Value::Object,
                }
            }
        };
        Ok(Some(Member { key, key_start, value, value_start, value_end: self.offset() }))
    }

    /// How many bytes have been read. After an error, about where it was found.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.length.saturating_sub(self.input.rest.len())
    }

    fn end(&mut self) -> Result<Option<Member<'a>>, JsonError> {
        self.input.skip_white_space();
        if self.input.rest.is_empty() { Ok(None) } else { Err(JsonError::Syntax) }
    }
}

/// Checks that `bytes` are one JSON object within the bounds.
///
/// # Errors
/// As [`ObjectReader`].
pub fn check_object(bytes: &[u8]) -> Result<(), JsonError> {
    let mut members = ObjectReader::new(bytes)?;
    while members.next_member()?.is_some() {}
    Ok(())
}

/// The two kinds of bracket that nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bracket {
    Square,
    Curly,
}

impl Bracket {
    fn closing(self) -> u8 {
        match self {
            Bracket::Square => b']',
            Bracket::Curly => b'}',
        }
    }
}

/// How a value begins: a scalar is read whole, of a nested one only its bracket.
enum Start<'a> {
    Scalar(Value<'a>),
    Open(Bracket),
}

/// The brackets that are open inside the outermost object, a bit each (P2).
struct Nesting {
    curly: u64,
    depth: u32,
}

impl Nesting {
    /// One bracket is open inside the outermost object.
    fn inside(bracket: Bracket) -> Self {
        Nesting { curly: u64::from(bracket == Bracket::Curly), depth: 2 }
    }

    fn open(&mut self, bracket: Bracket) -> Result<(), JsonError> {
        if self.depth >= MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.depth += 1;
        self.curly = self.curly << 1 | u64::from(bracket == Bracket::Curly);
        Ok(())
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.curly >>= 1;
    }

    /// The innermost open bracket; `None` when only the outermost object is open.
    fn innermost(&self) -> Option<Bracket> {
        match (self.depth, self.curly & 1) {
            (..=1, _) => None,
            (_, 0) => Some(Bracket::Square),
            _ => Some(Bracket::Curly),
        }
    }
}

/// The bytes that are still to be read.
#[derive(Debug)]
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn next_byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Takes the next byte if it is `wanted`.
    fn take(&mut self, wanted: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == wanted => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn skip_white_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// A key, its colon, and the white space around that.
    fn key(&mut self) -> Result<Text<'a>, JsonError> {
        if !self.take(b'"') {
            return Err(JsonError::Syntax);
        }
        let key = self.text()?;
        self.skip_white_space();
        if !self.take(b':') {
            return Err(JsonError::Syntax);
        }
        self.skip_white_space();
        Ok(key)
    }

    fn value(&mut self) -> Result<Start<'a>, JsonError> {
        Ok(Start::Scalar(match self.next_byte() {
            Some(b'"') => Value::String(self.text()?),
            Some(b'-') => {
                let first = self.next_byte();
                self.number(true, first)?
            }
            Some(digit @ b'0'..=b'9') => self.number(false, Some(digit))?,
            Some(b't') => self.literal(b"rue", Value::Bool(true))?,
            Some(b'f') => self.literal(b"alse", Value::Bool(false))?,
            Some(b'n') => self.literal(b"ull", Value::Null)?,
            Some(b'[') => return Ok(Start::Open(Bracket::Square)),
            Some(b'{') => return Ok(Start::Open(Bracket::Curly)),
            _ => return Err(JsonError::Syntax),
        }))
    }

    fn literal(&mut self, rest_of_it: &[u8], value: Value<'a>) -> Result<Value<'a>, JsonError> {
        self.rest = self.rest.strip_prefix(rest_of_it).ok_or(JsonError::Syntax)?;
        Ok(value)
    }

    /// A number whose sign, if any, and first digit are taken.
    fn number(&mut self, negative: bool, first_digit: Option<u8>) -> Result<Value<'a>, JsonError> {
        let mut magnitude = match first_digit {
            Some(digit @ b'0'..=b'9') => Some(u64::from(digit & 0x0f)),
            _ => return Err(JsonError::Syntax),
        };
        if magnitude != Some(0) {
            // A zero is followed by no further digit.
            while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
                magnitude = append_digit(magnitude, *digit); // P6
                self.rest = rest;
            }
        }
        let mut integer = true;
        if self.take(b'.') {
            integer = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            integer = false;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(if integer { Value::Integer(Integer { negative, magnitude }) } else { Value::Fractional })
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let [b'0'..=b'9', ..] = self.rest else {
            return Err(JsonError::Syntax);
        };
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
        Ok(())
    }

    /// A string whose opening quote is taken, up to and with the closing one.
    fn text(&mut self) -> Result<Text<'a>, JsonError> {
        let begin = self.rest;
        let mut escaped = false;
        loop {
            let special = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
            let plain = self.rest.iter().position(special).unwrap_or(self.rest.len());
            self.rest = self.rest.get(plain..).unwrap_or_default();
            let here = self.rest.len();
            match self.next_byte() {
                Some(b'"') => {
                    let raw = begin.get(..begin.len().saturating_sub(here)).ok_or(JsonError::Syntax)?;
                    return Ok(Text { raw, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(JsonError::Syntax), // a control character, or the end
            }
        }
    }

    /// The rest of an escape. A lone surrogate is grammatical (P1).
    fn escape(&mut self) -> Result<(), JsonError> {
        match self.next_byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => match self.rest {
                [a, b, c, d, rest @ ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => {
                    self.rest = rest;
                    Ok(())
                }
                _ => Err(JsonError::Syntax),
            },
            _ => Err(JsonError::Syntax),
        }
    }

    /// The rest of an array or object whose opening bracket is taken, up to and with its closing one.
    fn skip_nested(&mut self, bracket: Bracket) -> Result<(), JsonError> {
        let mut nesting = Nesting::inside(bracket);
        let mut just_opened = true;
        while let Some(bracket) = nesting.innermost() {
            self.skip_white_space();
            if self.take(bracket.closing()) {
                nesting.close();
                just_opened = false;
                continue;
            }
            if !just_opened {
                if !self.take(b',') {
                    return Err(JsonError::Syntax);
                }
                self.skip_white_space();
            }
            if bracket == Bracket::Curly {
                self.key()?;
            }
            just_opened = match self.value()? {
                Start::Scalar(_) => false,
                Start::Open(inner) => {
                    nesting.open(inner)?;
                    true
                }
            };
        }
        Ok(())
    }
}
