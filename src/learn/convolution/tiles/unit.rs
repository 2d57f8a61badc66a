//! The one place that speaks to the processor's matrix unit.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(in super::super) use amx::Unit;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(in super::super) use none::Unit;

/// Rows of a tile, and sums in each.
pub(super) const ROWS: usize = 16;
/// Sums in a row of a block.
pub(super) const WIDTH: usize = 32;
/// Products of a sum that one step adds.
pub(super) const DEPTH: usize = 32;

/// Places of each step's factors, counted in bytes from those of the first.
#[derive(Debug, Default)]
pub(super) struct Steps {
    steps: Vec<[usize; 2]>,
    /// The furthest.
    reach: [usize; 2],
}

impl Steps {
    /// Another step, by numbers of the left factor and pairs of the right one.
    pub(super) fn push(&mut self, left: usize, right: usize) {
        let step = [left * size_of::<u16>(), right * size_of::<u32>()];
        self.reach = [self.reach[0].max(step[0]), self.reach[1].max(step[1])];
        self.steps.push(step);
    }
}

/// Two factors of many products; their first numbers, and numbers from one row to the next.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a> {
    /// 16-bit numbers, [`DEPTH`] side by side.
    pub(super) left: &'a [u16],
    pub(super) left_row: usize,
    /// Pairs of 16-bit numbers, those of [`WIDTH`] sums side by side.
    pub(super) right: &'a [u32],
    pub(super) right_row: usize,
}

impl Factors<'_> {
    /// Whether all that a block reads is there.
    fn hold(&self, left: [usize; 2], right: usize, steps: &Steps) -> bool {
        let reach = |begin: usize, row: usize| begin + (ROWS - 1) * row;
        let of_left =
            size_of::<u16>() * (reach(left[0].max(left[1]), self.left_row) + DEPTH) + steps.reach[0];
        let of_right = size_of::<u32>() * (reach(right, self.right_row) + WIDTH) + steps.reach[1];
        of_left <= size_of_val(self.left) && of_right <= size_of_val(self.right)
    }
}

/// Sums of a block, which is two tiles high.
pub(super) const BLOCK: usize = 2 * ROWS * WIDTH;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx {
    #![expect(unsafe_code, reason = "the unit's instructions have no safe form")]

    use std::arch::asm;
    use std::arch::x86_64::__cpuid_count;
    use std::sync::OnceLock;

    use super::{BLOCK, Factors, ROWS, Steps, WIDTH};

    /// Intel's Advanced Matrix Extensions: products of 16-bit numbers (bfloat16), summed in single precision.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super::super) struct Unit(());

    #[repr(C, align(64))]
    struct Configuration([u8; 64]);

    /// Eight tiles of 16 rows of 64 bytes.
    static CONFIGURATION: Configuration = Configuration({
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = ROWS as u8;
            tile += 1;
        }
        bytes
    });

    impl Unit {
        /// The unit, if the processor has it and the system lets this process use it.
        pub(in super::super::super) fn get() -> Option<Self> {
            static FOUND: OnceLock<bool> = OnceLock::new();
            FOUND.get_or_init(|| there() && permitted()).then_some(Self(()))
        }

        /// Adds to `sums` the products of rows of the left factor from `left` on (two tiles, or one twice) and columns of the right.
        #[expect(clippy::unused_self, reason = "whoever has a unit may use it")]
        pub(in super::super) fn add(
            self,
            sums: &mut [f32],
            factors: &Factors,
            left: [usize; 2],
            right: usize,
            steps: &Steps,
        ) {
            if steps.steps.is_empty() {
                return;
            }
            assert!(sums.len() == BLOCK && factors.hold(left, right, steps), "a block within its factors");
            let (a, b) = (factors.left.as_ptr(), factors.right.as_ptr());
            let [a0, a1] = left.map(|begin| a.wrapping_add(begin));
            let b = b.wrapping_add(right);
            let (a_row, b_row) = (2 * factors.left_row, 4 * factors.right_row);
            let (sums, steps, count) = (sums.as_mut_ptr(), steps.steps.as_ptr(), steps.steps.len());
            // SAFETY: the processor has the unit and the system permits it (`get`); all that is read and written lies within
            // slices (asserted above); the tiles are set up and released here. Of one tile twice, the first loop takes one.
            unsafe {
                asm!(
                    "ldtilecfg [{t}]",
                    "tileloadd tmm0, [{sums} + {row}*1]",
                    "tileloadd tmm1, [{sums} + {row}*1 + 64]",
                    "cmp {a0}, {a1}",
                    "jne 3f",
                    "2:",
                    "mov {t}, [{steps}]",
                    "add {t}, {a0}",
                    "tileloadd tmm4, [{t} + {a_row}*1]",
                    "mov {t}, [{steps} + 8]",
                    "add {t}, {b}",
                    "tileloadd tmm6, [{t} + {b_row}*1]",
                    "tileloadd tmm7, [{t} + {b_row}*1 + 64]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "add {steps}, 16",
                    "dec {count}",
                    "jnz 2b",
                    "jmp 5f",
                    "3:",
                    "tileloadd tmm2, [{sums} + {row}*1 + 2048]",
                    "tileloadd tmm3, [{sums} + {row}*1 + 2112]",
                    "4:",
                    "mov {t}, [{steps} + 8]",
                    "add {t}, {b}",
                    "tileloadd tmm6, [{t} + {b_row}*1]",
                    "tileloadd tmm7, [{t} + {b_row}*1 + 64]",
                    "mov {t}, [{steps}]",
                    "add {t}, {a0}",
                    "tileloadd tmm4, [{t} + {a_row}*1]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "mov {t}, [{steps}]",
                    "add {t}, {a1}",
                    "tileloadd tmm5, [{t} + {a_row}*1]",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    "add {steps}, 16",
                    "dec {count}",
                    "jnz 4b",
                    "tilestored [{sums} + {row}*1 + 2048], tmm2",
                    "tilestored [{sums} + {row}*1 + 2112], tmm3",
                    "5:",
                    "tilestored [{sums} + {row}*1], tmm0",
                    "tilestored [{sums} + {row}*1 + 64], tmm1",
                    "tilerelease",
                    t = inout(reg) CONFIGURATION.0.as_ptr() => _,
                    sums = in(reg) sums,
                    row = in(reg) 4 * WIDTH,
                    steps = inout(reg) steps => _,
                    count = inout(reg) count => _,
                    a0 = in(reg) a0,
                    a1 = in(reg) a1,
                    b = in(reg) b,
                    a_row = in(reg) a_row,
                    b_row = in(reg) b_row,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    }

    /// Whether the processor has tiles and their products of bfloat16.
    fn there() -> bool {
        const BFLOAT16: u32 = 1 << 22;
        const TILES: u32 = 1 << 24;
        let features = __cpuid_count(7, 0).edx;
        features & BFLOAT16 != 0 && features & TILES != 0
    }

    /// Asks the system for the tiles' state, as Linux wants it (`ARCH_REQ_XCOMP_PERM`, from 5.16 on).
    fn permitted() -> bool {
        const ARCH_PRCTL: i64 = 158;
        const REQUEST: u64 = 0x1023;
        const TILE_DATA: u64 = 18;
        let result: i64;
        // SAFETY: a system call that touches none of the program's memory.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => result,
                in("rdi") REQUEST,
                in("rsi") TILE_DATA,
                out("rcx") _,
                out("r11") _,
                options(nostack),
            );
        }
        result == 0
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod none {
    use super::{Factors, Steps};

    /// No such unit is known here.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super::super) enum Unit {}

    impl Unit {
        pub(in super::super::super) const fn get() -> Option<Self> {
            None
        }

        pub(in super::super) fn add(self, _: &mut [f32], _: &Factors, _: [usize; 2], _: usize, _: &Steps) {
            match self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, which bfloat16 holds and whose sums of products are exact.
    fn number(i: usize) -> f32 {
        (i * 37 % 13) as f32 - 6.0
    }

    fn half(x: f32) -> u16 {
        (x.to_bits() >> 16) as u16
    }

    #[test]
    fn blocks_are_sums_of_products() {
        let Some(unit) = Unit::get() else { return };
        let (left_row, right_row) = (96, 32);
        let left: Vec<u16> = (0..60 * left_row).map(|i| half(number(i))).collect();
        let pair = |i: usize| u32::from(half(number(5 * i))) | u32::from(half(number(7 * i + 1))) << 16;
        let right: Vec<u32> = (0..3 * 16 * right_row).map(pair).collect();
        let factors = Factors { left: &left, left_row, right: &right, right_row };
        let mut steps = Steps::default();
        for (a, b) in [(0, 0), (64, 32 * 16), (left_row + 32, 64 * 16)] {
            steps.push(a, b);
        }
        for begin in [[3 * left_row, 3 * left_row], [0, 20 * left_row]] {
            let mut sums = vec![0.0; BLOCK];
            sums.iter_mut().enumerate().for_each(|(i, x)| *x = number(i));
            unit.add(&mut sums, &factors, begin, 0, &steps);
            let rows = if begin[0] == begin[1] { ROWS } else { 2 * ROWS };
            for (i, sum) in sums.iter().enumerate() {
                let (row, column) = (i / WIDTH, i % WIDTH);
                let mut expected = number(i);
                if row < rows {
                    for (a, b) in [(0, 0), (64, 32 * 16), (left_row + 32, 64 * 16)] {
                        for k in 0..DEPTH {
                            let x = number(begin[row / ROWS] + row % ROWS * left_row + a + k);
                            let at = b + k / 2 * right_row + column;
                            expected += x * number(if k % 2 == 0 { 5 * at } else { 7 * at + 1 });
                        }
                    }
                }
                assert!((sum - expected).abs() < f32::EPSILON, "{begin:?} {i}: {sum} is not {expected}");
            }
        }
    }
}
