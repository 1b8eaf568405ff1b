//! Stack and instructions of a call.

use core::hint::black_box;
use core::ptr;

use cortex_m::register::msp;
use cortex_m_semihosting::hprintln;

use crate::timer::{self, INSTRUCTIONS_A_TICK};

/// How many calls a mean is taken over, at least.
pub(crate) const CALLS: usize = 1_000;

/// How many subjects there are where a call uses its subject up: one for the stack, the others for the instructions.
pub(crate) const SUBJECTS: usize = CALLS + 1;

/// How much of the free stack is painted, in bytes; more than anything here uses.
const PAINTED: usize = 64 * 1_024;

/// What is left unpainted above it, in bytes.
const MARGIN: usize = 64;

const PAINT: u32 = 0x9a11_9a11;

/// Prints what a call costs that uses up what it is called on.
pub(crate) fn each<T, R>(name: &str, subjects: &mut [T; SUBJECTS], mut call: impl FnMut(&mut T) -> R) {
    let [first, others @ ..] = subjects;
    let stack = stack_bytes(first, &mut call);
    print(name, stack, instructions(others, 1, call));
}

/// Prints what a call costs that can be made again on the same subjects, all of which get the same number of calls.
pub(crate) fn again<T, R>(name: &str, subjects: &mut [T], mut call: impl FnMut(&mut T) -> R) {
    let rounds = CALLS.div_ceil(subjects.len());
    let mut stack = 0;
    for subject in &mut *subjects {
        stack = stack.max(stack_bytes(subject, &mut call));
    }
    print(name, stack, instructions(subjects, rounds, call));
}

/// Prints the instructions of a call that the compiler has in the midst of its caller, and so has no stack of its own.
pub(crate) fn inlined<T, R>(name: &str, subjects: &mut [T], call: impl FnMut(&mut T) -> R) {
    hprintln!("instructions {} {}", name, instructions(subjects, CALLS.div_ceil(subjects.len()), call));
}

/// Prints the instructions that a call takes beyond another one, with which it begins.
pub(crate) fn beyond<T, R, B>(
    name: &str,
    subjects: &mut [T],
    beginning: impl FnMut(&mut T) -> B,
    call: impl FnMut(&mut T) -> R,
) {
    let calls = subjects.len() as u64;
    assert!(calls >= CALLS as u64);
    let spent = mean(ticks(subjects, 1, call), calls);
    let Some(beyond) = spent.checked_sub(mean(ticks(subjects, 1, beginning), calls)) else {
        panic!("a call takes less than its beginning");
    };
    hprintln!("instructions {} {}", name, beyond);
}

fn print(name: &str, stack: usize, instructions: u64) {
    hprintln!("stack {} {}", name, stack);
    hprintln!("instructions {} {}", name, instructions);
}

/// The bytes of stack that a call uses, to a word: with the frame that it is made from, less what that takes for a call of
/// nothing.
fn stack_bytes<T, R>(subject: &mut T, call: &mut impl FnMut(&mut T) -> R) -> usize {
    depth(subject, call).saturating_sub(depth(subject, &mut |_subject| ()))
}

/// How far down the stack a call reaches.
#[inline(never)]
fn depth<T, R>(subject: &mut T, call: &mut impl FnMut(&mut T) -> R) -> usize {
    let top = msp::read() as usize;
    let bottom = top - PAINTED;
    // Nothing is in use below the stack pointer; a margin is left for the calls that paint.
    for place in (bottom..top - MARGIN).step_by(4) {
        // SAFETY: the memory below the stack pointer is free RAM of this program.
        unsafe { ptr::write_volatile(place as *mut u32, PAINT) };
    }
    call_beyond_the_margin(subject, call);
    let untouched = (bottom..top)
        .step_by(4)
        // SAFETY: as above.
        .take_while(|&place| unsafe { ptr::read_volatile(place as *const u32) } == PAINT)
        .count();
    PAINTED - 4 * untouched
}

/// A frame of its own, so that what the compiler puts in the midst of it is below the stack pointer that was read.
#[inline(never)]
fn call_beyond_the_margin<T, R>(subject: &mut T, call: &mut impl FnMut(&mut T) -> R) {
    let beyond = black_box([0_u8; MARGIN]);
    black_box(call(black_box(subject)));
    black_box(&beyond);
}

/// The instructions that a call takes: the mean over so many rounds through the subjects, to the nearest, with what it takes
/// to go through them taken off.
fn instructions<T, R>(subjects: &mut [T], rounds: usize, call: impl FnMut(&mut T) -> R) -> u64 {
    let calls = (subjects.len() * rounds) as u64;
    let with_calls = ticks(subjects, rounds, call);
    let without = ticks(subjects, rounds, |_subject| ());
    mean(with_calls - without, calls)
}

/// The instructions of a call, to the nearest, when so many took so many of the timer's ticks.
fn mean(ticks: u32, calls: u64) -> u64 {
    (u64::from(ticks) * u64::from(INSTRUCTIONS_A_TICK) + calls / 2) / calls
}

/// The timer's ticks while every subject is called so many times.
#[inline(never)]
fn ticks<T, R>(subjects: &mut [T], rounds: usize, mut call: impl FnMut(&mut T) -> R) -> u32 {
    let begin = timer::ticks();
    for _ in 0..rounds {
        for subject in &mut *subjects {
            black_box(call(black_box(subject)));
        }
    }
    timer::ticks() - begin
}
