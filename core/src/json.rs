//! A strict, bounded reader of one JSON object over a byte slice.
//!
//! It decides what is JSON and what is not (P1, P2) and hands out the members of the outermost object; what they
//! mean is for [`settings`](crate::settings). It allocates nothing, never recurses, looks at each byte a bounded
//! number of times, and keeps the kinds of the open brackets in one `u64`, so its stack use does not depend on the
//! input. Nested values are checked and skipped, not handed out.

use core::ops::Range;

use crate::bytes::equal;

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
    /// A string is not UTF-8.
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

    /// Whether the string, its escapes decoded, is `name`, which must be ASCII. A string with anything beyond ASCII, lone
    /// surrogates included, equals no such name (P1, P3). Linear in the shorter of the two.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        if !self.escaped {
            return equal(self.raw, name.as_bytes());
        }
        let mut characters = Decoded { raw: self.raw };
        name.bytes().all(|byte| characters.next() == Some(u16::from(byte))) && characters.next().is_none()
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
#[derive(Clone, Copy, Debug, Default)]
pub enum Value<'a> {
    /// `null`
    #[default]
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

impl Value<'_> {
    /// The bracket that it began with, if it is an array or an object.
    fn opened(&self) -> Option<Bracket> {
        match self {
            Value::Array => Some(Bracket::Square),
            Value::Object => Some(Bracket::Curly),
            _ => None,
        }
    }
}

/// Reads the members of one JSON object in their order: [`next_key`](ObjectReader::next_key) and
/// [`read_value`](ObjectReader::read_value) by turns, until there is no other key. Only then is the whole input known to be an
/// RFC 8259 object within the bounds; before, an error may follow. After an error or the end, or out of turn, each of them is
/// [`JsonError::Syntax`]. Each costs time linear in the bytes that it reads, and a constant amount of stack.
///
/// ```
/// use pawl_core::json::{ObjectReader, Value};
///
/// let mut reader = ObjectReader::new(br#"{"rotation_period_msgs": 100}"#);
/// let mut value = Value::Null;
/// while let Some(key) = reader.next_key()? {
///     reader.read_value(&mut value)?;
///     assert!(key.is("rotation_period_msgs") && matches!(value, Value::Integer(_)));
/// }
/// # Ok::<_, pawl_core::json::JsonError>(())
/// ```
#[derive(Debug)]
pub struct ObjectReader<'a> {
    input: Input<'a>,
    due: Due,
}

/// What comes next in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Object,
    Key,
    Value,
    /// The end was reached, or an error was found.
    Nothing,
}

impl<'a> ObjectReader<'a> {
    /// Reads nothing yet.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        ObjectReader { input: Input { rest: bytes, length: bytes.len() }, due: Due::Object }
    }

    /// The next member's key, or `None` at the end of the object and the input. The first call checks the length of all of it.
    ///
    /// # Errors
    /// [`JsonError::TooLong`] and [`JsonError::NotAnObject`] on the first call; [`JsonError::Syntax`] and [`JsonError::NotUtf8`],
    /// whichever stands first in the input.
    #[inline(always)]
    pub fn next_key(&mut self) -> Result<Option<Text<'a>>, JsonError> {
        self.next_key_by(Input::string)
    }

    /// As [`next_key`](Self::next_key), but hands out which of `names` the key is, or how many they are if it is none of them. The
    /// names are ASCII without anything that a string has to escape.
    #[inline(always)]
    pub(crate) fn next_key_among(&mut self, names: &[&str]) -> Result<Option<usize>, JsonError> {
        self.next_key_by(|input| input.string_among(names))
    }

    /// The next member's key as `string` reads it, whose opening quote is taken then.
    #[inline(always)]
    fn next_key_by<K>(
        &mut self,
        string: impl FnOnce(&mut Input<'a>) -> Result<K, JsonError>,
    ) -> Result<Option<K>, JsonError> {
        let ObjectReader { input, due } = self;
        let another = match core::mem::replace(due, Due::Nothing) {
            Due::Object => input.begin()?,
            Due::Key => input.take(b','),
            Due::Value | Due::Nothing => return Err(JsonError::Syntax),
        };
        if !another {
            input.end()?;
            return Ok(None);
        }
        let key = input.key(string)?;
        *due = Due::Value;
        Ok(Some(key))
    }

    /// Reads the value of that key, and returns where it stands in the input, as a range of byte offsets. The value is written in
    /// place, since moving it would cost as much as reading it.
    ///
    /// # Errors
    /// [`JsonError::Syntax`], [`JsonError::NotUtf8`], [`JsonError::TooDeep`], whichever stands first in the input. What is in `value`
    /// then is of no use.
    #[inline(always)]
    pub fn read_value(&mut self, value: &mut Value<'a>) -> Result<Range<usize>, JsonError> {
        let ObjectReader { input, due } = self;
        if core::mem::replace(due, Due::Nothing) != Due::Value {
            return Err(JsonError::Syntax);
        }
        input.skip_white_space();
        let start = input.offset();
        input.value(value)?;
        if let Some(bracket) = value.opened() {
            input.apart(|input| input.nested(bracket))?;
        }
        *due = Due::Key;
        Ok(start..input.offset())
    }

    /// How many bytes have been read. After an error, about where it was found.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.input.offset()
    }
}

/// Checks that `bytes` are one JSON object within the bounds.
///
/// # Errors
/// As [`ObjectReader`].
pub fn check_object(bytes: &[u8]) -> Result<(), JsonError> {
    let mut reader = ObjectReader::new(bytes);
    let mut value = Value::Null;
    while reader.next_key()?.is_some() {
        reader.read_value(&mut value)?;
    }
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

/// The brackets that are open, a bit each (P2). The outermost object is one of them.
struct Nesting {
    curly: u64,
    depth: u32,
}

impl Nesting {
    const OUTERMOST: Self = Nesting { curly: 1, depth: 1 };

    fn is_outermost(&self) -> bool {
        self.depth == 1
    }

    fn open(&mut self, bracket: Bracket) -> Result<(), JsonError> {
        if self.depth >= MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.depth += 1;
        self.curly = self.curly << 1 | u64::from(bracket == Bracket::Curly);
        Ok(())
    }

    /// Closes the innermost bracket, which is not the outermost object's.
    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.curly >>= 1;
    }

    fn innermost(&self) -> Bracket {
        if self.curly & 1 == 1 { Bracket::Curly } else { Bracket::Square }
    }
}

/// What is still to be read.
///
/// On a host what is usual is all inlined, and what is rare is apart: what is left to be read then stays in registers. On a device of
/// 32 bits, where that counts for less and flash for more, it is for the compiler to choose.
#[derive(Debug)]
struct Input<'a> {
    rest: &'a [u8],
    /// Of all that there was to read.
    length: usize,
}

impl<'a> Input<'a> {
    /// How many bytes have been read.
    fn offset(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    /// Checks the length and takes the opening brace. Whether a member follows.
    fn begin(&mut self) -> Result<bool, JsonError> {
        if self.length > MAX_LENGTH {
            return Err(JsonError::TooLong); // P2
        }
        if self.take(b'{') {
            self.skip_white_space();
            return Ok(!matches!(self.rest, [b'}', ..]));
        }
        match self.rest {
            [b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n', ..] => Err(JsonError::NotAnObject),
            _ => Err(JsonError::Syntax),
        }
    }

    /// Takes the outermost object's closing brace, after which there is nothing.
    #[inline(always)]
    fn end(&mut self) -> Result<(), JsonError> {
        if !self.take(b'}') {
            return Err(JsonError::Syntax);
        }
        self.skip_white_space();
        if self.rest.is_empty() { Ok(()) } else { Err(JsonError::Syntax) }
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn skip_white_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Takes white space, and the byte after it if that is `wanted`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn take(&mut self, wanted: u8) -> bool {
        self.skip_white_space();
        match self.rest {
            [first, rest @ ..] if *first == wanted => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// A key and its colon. What is after the opening quote is read by `string`.
    #[inline(always)]
    fn key<K>(&mut self, string: impl FnOnce(&mut Self) -> Result<K, JsonError>) -> Result<K, JsonError> {
        if !self.take(b'"') {
            return Err(JsonError::Syntax);
        }
        let key = string(self)?;
        if self.take(b':') { Ok(key) } else { Err(JsonError::Syntax) }
    }

    /// Which of `names` a string is whose opening quote is taken, or how many they are if it is none of them. Where one of them stands
    /// as it is, the string need not be read first.
    #[inline(always)]
    fn string_among(&mut self, names: &[&str]) -> Result<usize, JsonError> {
        for (place, name) in names.iter().enumerate() {
            if let Some((begin, [b'"', rest @ ..])) = self.rest.split_at_checked(name.len())
                && equal(begin, name.as_bytes())
            {
                self.rest = rest;
                return Ok(place);
            }
        }
        let mut place = names.len();
        self.apart(|input| {
            place = input.other_string_among(names)?;
            Ok(())
        })?;
        Ok(place)
    }

    /// The same where none of them stands as it is: it may be one of them only by escapes (P3).
    #[cfg_attr(target_pointer_width = "64", cold)]
    fn other_string_among(&mut self, names: &[&str]) -> Result<usize, JsonError> {
        let string = self.string()?;
        Ok(names.iter().position(|name| string.escaped && string.is(name)).unwrap_or(names.len()))
    }

    /// A value that begins here; of a nested one only its opening bracket.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn value(&mut self, value: &mut Value<'a>) -> Result<(), JsonError> {
        let [first, rest @ ..] = self.rest else { return Err(JsonError::Syntax) };
        self.rest = rest;
        match first {
            b'"' => *value = Value::String(self.string()?),
            b'-' | b'0'..=b'9' => self.number(*first, value)?,
            b't' | b'f' | b'n' => *value = self.literal(*first)?,
            b'[' => *value = Value::Array,
            b'{' => *value = Value::Object,
            _ => return Err(JsonError::Syntax),
        }
        Ok(())
    }

    /// Reads what is rare, from a copy, since what another function may write cannot stay in registers.
    #[inline(always)]
    fn apart(&mut self, read: impl FnOnce(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        let mut copy = Input { ..*self };
        let outcome = read(&mut copy);
        self.rest = copy.rest;
        outcome
    }

    /// The rest of an array or object whose bracket is taken.
    fn nested(&mut self, opened: Bracket) -> Result<(), JsonError> {
        let mut nesting = Nesting::OUTERMOST;
        nesting.open(opened)?;
        let mut just_opened = true;
        // Once round for each member and element, and for each bracket that closes, however deep.
        while !nesting.is_outermost() {
            let bracket = nesting.innermost();
            if self.take(bracket.closing()) {
                nesting.close();
                just_opened = false;
                continue;
            }
            if !just_opened && !self.take(b',') {
                return Err(JsonError::Syntax);
            }
            if bracket == Bracket::Curly {
                self.key(Self::string)?;
            }
            self.skip_white_space();
            let mut value = Value::Null;
            self.value(&mut value)?;
            just_opened = false;
            if let Some(inner) = value.opened() {
                nesting.open(inner)?;
                just_opened = true;
            }
        }
        Ok(())
    }

    /// A literal whose first letter is taken.
    #[inline(always)]
    fn literal(&mut self, first: u8) -> Result<Value<'a>, JsonError> {
        let (rest_of_it, value): (&[u8], _) = match first {
            b't' => (b"rue", Value::Bool(true)),
            b'f' => (b"alse", Value::Bool(false)),
            _ => (b"ull", Value::Null),
        };
        self.rest = self.rest.strip_prefix(rest_of_it).ok_or(JsonError::Syntax)?;
        Ok(value)
    }

    /// A number whose sign or first digit is taken.
    #[inline(always)]
    fn number(&mut self, first: u8, value: &mut Value<'a>) -> Result<(), JsonError> {
        let negative = first == b'-';
        let mut first_digit = first;
        if negative {
            let [digit @ b'0'..=b'9', rest @ ..] = self.rest else { return Err(JsonError::Syntax) };
            (first_digit, self.rest) = (*digit, rest);
        }
        let magnitude = match first_digit {
            b'0' => Some(0), // is followed by no further digit
            digit => self.magnitude(digit),
        };
        if let [b'.' | b'e' | b'E', ..] = self.rest {
            *value = Value::Fractional;
            self.apart(Self::fraction)?;
            return Ok(());
        }
        *value = Value::Integer(Integer { negative, magnitude });
        Ok(())
    }

    /// The number that begins with this digit, which is taken; `None` when it does not fit (P6).
    #[inline(always)]
    fn magnitude(&mut self, first: u8) -> Option<u64> {
        let digits = self.rest;
        let mut magnitude = u64::from(first & 0x0f);
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit & 0x0f));
            self.rest = rest;
        }
        // With the first, 19 digits always fit. Of more, few do; those are looked at again.
        match digits.get(..digits.len().saturating_sub(self.rest.len())) {
            Some(digits) if digits.len() >= 19 => {
                digits.iter().try_fold(u64::from(first & 0x0f), |magnitude, digit| {
                    magnitude.checked_mul(10)?.checked_add(u64::from(digit & 0x0f))
                })
            }
            _ => Some(magnitude),
        }
    }

    /// A fraction, an exponent, or both.
    #[cfg_attr(target_pointer_width = "64", cold)]
    fn fraction(&mut self) -> Result<(), JsonError> {
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            self.digits()?;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest;
            if let [b'+' | b'-', rest @ ..] = self.rest {
                self.rest = rest;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let [b'0'..=b'9', ..] = self.rest else { return Err(JsonError::Syntax) };
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
        Ok(())
    }

    /// A string whose opening quote is taken, up to and with the closing one.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn string(&mut self) -> Result<Text<'a>, JsonError> {
        let begin = self.rest;
        let mut escaped = false;
        loop {
            self.rest = after_plain_bytes(self.rest);
            match self.rest {
                [b'"', rest @ ..] => {
                    let length = begin.len().saturating_sub(self.rest.len());
                    self.rest = rest;
                    return Ok(Text { raw: begin.get(..length).unwrap_or_default(), escaped });
                }
                [b'\\', rest @ ..] => {
                    escaped = true;
                    self.rest = rest;
                    self.apart(Self::escape)?;
                }
                [0x80..=0xff, ..] => self.apart(Self::beyond_ascii)?,
                _ => return Err(JsonError::Syntax), // a control character, or the end
            }
        }
    }

    /// All characters up to the next one that is ASCII (P1). Anywhere but in a string they would break the grammar.
    #[cfg_attr(target_pointer_width = "64", cold)]
    fn beyond_ascii(&mut self) -> Result<(), JsonError> {
        let characters = self.rest.split(u8::is_ascii).next().unwrap_or_default();
        if core::str::from_utf8(characters).is_err() {
            return Err(JsonError::NotUtf8);
        }
        self.rest = self.rest.get(characters.len()..).unwrap_or_default();
        Ok(())
    }

    /// The rest of an escape. A lone surrogate is grammatical (P1).
    #[cfg_attr(target_pointer_width = "64", cold)]
    fn escape(&mut self) -> Result<(), JsonError> {
        self.rest = match self.rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => rest,
            [b'u', a, b, c, d, rest @ ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => rest,
            _ => return Err(JsonError::Syntax),
        };
        Ok(())
    }
}

/// What follows the bytes that a string has no rule for: it begins with a quote, a backslash, a control character, a byte of a
/// character beyond ASCII, or is empty.
///
/// Looks at a machine word at a time. Of each of its bytes something is subtracted that leaves less than nothing where the byte is
/// special, which sets its high bit. What that borrows may set bits of bytes above it wrongly, never of those below, so the lowest
/// bit that is set is always right.
#[inline(always)]
fn after_plain_bytes(mut rest: &[u8]) -> &[u8] {
    const ONES: usize = usize::MAX / 0xff;
    const HIGH_BITS: usize = ONES << 7;
    while let Some((&word, after)) = rest.split_first_chunk() {
        let word = usize::from_le_bytes(word);
        // With one bit turned, a quote (0x22) follows the control characters, where a space (0x20) was.
        let control_or_quote = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
        let special = (control_or_quote | backslash | word) & HIGH_BITS;
        if special != 0 {
            return rest.get((special.trailing_zeros() / 8) as usize..).unwrap_or_default();
        }
        rest = after;
    }
    let special = |&byte: &u8| !matches!(byte, b' '..0x80) || byte == b'"' || byte == b'\\';
    rest.get(rest.iter().position(special).unwrap_or(rest.len())..).unwrap_or_default()
}
