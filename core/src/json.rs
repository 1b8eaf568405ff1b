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
    const EMPTY: Self = Text { raw: &[], escaped: false };

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
/// [`next_member`](ObjectReader::next_member) has returned `Ok(None)` is the whole input known to be an RFC 8259 object within
/// the bounds; until then, an error may follow.
#[derive(Debug)]
pub struct ObjectReader<'a> {
    input: Input<'a>,
    begun: bool,
    /// The member that was read last; it is written here in place, since moving one costs as much as reading it.
    member: Member<'a>,
}

impl<'a> ObjectReader<'a> {
    /// Reads nothing yet.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        let member =
            Member { key: Text::EMPTY, key_start: 0, value: Value::Null, value_start: 0, value_end: 0 };
        ObjectReader { input: Input { bytes, at: 0 }, begun: false, member }
    }

    /// The next member, or `None` at the end of the object and the input. The first call checks the length of all of it.
    ///
    /// # Errors
    /// [`JsonError::Syntax`], [`JsonError::NotUtf8`], [`JsonError::TooDeep`]; on the first call [`JsonError::TooLong`] and
    /// [`JsonError::NotAnObject`] as well. It is the first that stands in the input. After an error or the end, there is nothing
    /// more to ask for.
    pub fn next_member(&mut self) -> Result<Option<&Member<'a>>, JsonError> {
        let ObjectReader { input, begun, member } = self;
        let mut just_opened = !*begun;
        if just_opened {
            *begun = true;
            input.begin()?;
        }
        let mut outermost_key = Text::EMPTY;
        let mut nesting = Nesting::OUTERMOST;
        // Once round for each member and element, and for each bracket that closes, however deep. What is nested is read into the
        // same place; when its bracket closes, the place has the outermost member again.
        loop {
            let bracket = nesting.innermost();
            input.skip_white_space();
            if input.take(bracket.closing()) {
                if nesting.is_outermost() {
                    input.skip_white_space();
                    return if input.peek().is_none() { Ok(None) } else { Err(JsonError::Syntax) };
                }
                nesting.close();
                just_opened = false;
                if nesting.is_outermost() {
                    (member.key, member.value) = (outermost_key, bracket.value());
                }
            } else {
                if !just_opened {
                    if !input.take(b',') {
                        return Err(JsonError::Syntax);
                    }
                    input.skip_white_space();
                }
                if nesting.is_outermost() {
                    member.key_start = input.at;
                }
                if bracket == Bracket::Curly {
                    input.key(&mut member.key)?;
                }
                if nesting.is_outermost() {
                    member.value_start = input.at;
                }
                let opened = input.value(&mut member.value)?;
                if let Some(inner) = opened {
                    if nesting.is_outermost() {
                        outermost_key = member.key;
                    }
                    nesting.open(inner)?;
                }
                just_opened = opened.is_some();
            }
            if nesting.is_outermost() {
                member.value_end = input.at;
                return Ok(Some(member));
            }
        }
    }

    /// How many bytes have been read. After an error, about where it was found.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.input.at
    }
}

/// Checks that `bytes` are one JSON object within the bounds.
///
/// # Errors
/// As [`ObjectReader`].
pub fn check_object(bytes: &[u8]) -> Result<(), JsonError> {
    let mut members = ObjectReader::new(bytes);
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

    /// What it is the bracket of.
    fn value(self) -> Value<'static> {
        match self {
            Bracket::Square => Value::Array,
            Bracket::Curly => Value::Object,
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

/// The bytes, and how many of them have been read.
///
/// What is asked for each byte is always inlined: how far one has come then stays in a register, and even where size counts most a
/// call would be no shorter.
#[derive(Debug)]
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    /// Checks length and the opening brace.
    fn begin(&mut self) -> Result<(), JsonError> {
        if self.bytes.len() > MAX_LENGTH {
            return Err(JsonError::TooLong); // P2
        }
        self.skip_white_space();
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                Ok(())
            }
            Some(b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Err(JsonError::NotAnObject),
            _ => Err(JsonError::Syntax),
        }
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline(always)]
    fn next_byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Takes the next byte if it is `wanted`.
    #[inline(always)]
    fn take(&mut self, wanted: u8) -> bool {
        if self.peek() != Some(wanted) {
            return false;
        }
        self.at += 1;
        true
    }

    #[inline(always)]
    fn skip_white_space(&mut self) {
        let mut at = self.at;
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(at) {
            at += 1;
        }
        self.at = at;
    }

    /// A key, its colon, and the white space around that.
    fn key(&mut self, key: &mut Text<'a>) -> Result<(), JsonError> {
        if !self.take(b'"') {
            return Err(JsonError::Syntax);
        }
        *key = self.text()?;
        self.skip_white_space();
        if !self.take(b':') {
            return Err(JsonError::Syntax);
        }
        self.skip_white_space();
        Ok(())
    }

    /// A value; of a nested one only its opening bracket, which is returned and not written.
    fn value(&mut self, value: &mut Value<'a>) -> Result<Option<Bracket>, JsonError> {
        match self.next_byte() {
            Some(b'"') => *value = Value::String(self.text()?),
            Some(first @ (b'-' | b'0'..=b'9')) => *value = self.number(first)?,
            Some(first @ (b't' | b'f' | b'n')) => *value = self.literal(first)?,
            Some(b'[') => return Ok(Some(Bracket::Square)),
            Some(b'{') => return Ok(Some(Bracket::Curly)),
            _ => return Err(JsonError::Syntax),
        }
        Ok(None)
    }

    /// A literal whose first letter is taken.
    fn literal(&mut self, first: u8) -> Result<Value<'a>, JsonError> {
        let (rest_of_it, value): (&[u8], _) = match first {
            b't' => (b"rue", Value::Bool(true)),
            b'f' => (b"alse", Value::Bool(false)),
            _ => (b"ull", Value::Null),
        };
        if !self.rest().starts_with(rest_of_it) {
            return Err(JsonError::Syntax);
        }
        self.at += rest_of_it.len();
        Ok(value)
    }

    /// A number whose sign or first digit is taken.
    fn number(&mut self, first: u8) -> Result<Value<'a>, JsonError> {
        let negative = first == b'-';
        let first_digit = if negative { self.next_byte() } else { Some(first) };
        let magnitude = match first_digit {
            Some(b'0') => Some(0), // is followed by no further digit
            Some(digit @ b'1'..=b'9') => self.magnitude(digit),
            _ => return Err(JsonError::Syntax),
        };
        let mut integer = true;
        if self.take(b'.') {
            integer = false;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            integer = false;
            self.at += 1;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(if integer { Value::Integer(Integer { negative, magnitude }) } else { Value::Fractional })
    }

    /// The number that begins with this digit, which is taken; `None` when it does not fit (P6).
    fn magnitude(&mut self, first: u8) -> Option<u64> {
        let begin = self.at;
        let mut at = begin;
        let mut magnitude = u64::from(first & 0x0f);
        while let Some(digit @ 0..=9) = self.bytes.get(at).map(|byte| byte.wrapping_sub(b'0')) {
            magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        self.at = at;
        // With the first, 19 digits always fit. Of more, few do; those are looked at again.
        match self.bytes.get(begin..at) {
            Some(digits) if digits.len() >= 19 => {
                digits.iter().try_fold(u64::from(first & 0x0f), |magnitude, digit| {
                    magnitude.checked_mul(10)?.checked_add(u64::from(digit & 0x0f))
                })
            }
            _ => Some(magnitude),
        }
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let begin = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > begin { Ok(()) } else { Err(JsonError::Syntax) }
    }

    /// A string whose opening quote is taken, up to and with the closing one.
    #[inline(always)]
    fn text(&mut self) -> Result<Text<'a>, JsonError> {
        let begin = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_bytes(self.rest());
            let end = self.at;
            match self.next_byte() {
                Some(b'"') => {
                    let raw = self.bytes.get(begin..end).ok_or(JsonError::Syntax)?;
                    return Ok(Text { raw, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0x80..) => {
                    self.at = end;
                    self.beyond_ascii()?;
                }
                _ => return Err(JsonError::Syntax), // a control character, or the end
            }
        }
    }

    /// All characters up to the next one that is ASCII (P1). Anywhere but in a string they would break the grammar.
    fn beyond_ascii(&mut self) -> Result<(), JsonError> {
        let characters = self.rest().split(u8::is_ascii).next().unwrap_or_default();
        if core::str::from_utf8(characters).is_err() {
            return Err(JsonError::NotUtf8);
        }
        self.at += characters.len();
        Ok(())
    }

    /// The rest of an escape. A lone surrogate is grammatical (P1).
    fn escape(&mut self) -> Result<(), JsonError> {
        match self.next_byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => match self.rest() {
                [a, b, c, d, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => {
                    self.at += 4;
                    Ok(())
                }
                _ => Err(JsonError::Syntax),
            },
            _ => Err(JsonError::Syntax),
        }
    }

    /// What is still to be read.
    #[inline(always)]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

/// How many bytes there are before the first that a string has a rule for: a quote, a backslash, a control character, a byte of a
/// character beyond ASCII.
///
/// Looks at a machine word at a time. Of each of its bytes something is subtracted that leaves less than nothing where the byte is
/// special, which sets its high bit. What that borrows may set bits of bytes above it wrongly, never of those below, so the lowest
/// bit that is set is always right.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: usize = usize::MAX / 0xff;
    const HIGH_BITS: usize = ONES << 7;
    let (words, rest) = bytes.as_chunks();
    let mut plain = 0;
    for &word in words {
        let word = usize::from_le_bytes(word);
        // With one bit turned, a quote (0x22) follows the control characters, where a space (0x20) was.
        let control_or_quote = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
        let special = (control_or_quote | backslash | word) & HIGH_BITS;
        if special != 0 {
            return plain + (special.trailing_zeros() / 8) as usize;
        }
        plain += size_of::<usize>();
    }
    let special = |&byte: &u8| !matches!(byte, b' '..0x80) || byte == b'"' || byte == b'\\';
    plain + rest.iter().position(special).unwrap_or(rest.len())
}
