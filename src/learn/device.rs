//! Devices that a network computes on: `--device auto|cpu|cuda:N|vulkan:N|metal`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{DType, Device, Tensor, TensorData};

use humboldt_schemas::card::Precision;

use super::error::{LearnError, one_line};

/// A device as a user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceName {
    /// The best compiled-in GPU that works, else the CPU; a software driver is none.
    #[default]
    Auto,
    /// burn's `flex` backend.
    Cpu,
    /// An NVIDIA GPU by its number (feature `cuda`).
    Cuda(usize),
    /// A GPU through Vulkan by its number (feature `vulkan`): discrete ones first, software drivers last.
    Vulkan(usize),
    /// Apple's GPU (feature `metal`).
    Metal,
}

/// Open devices of one kind, and what the first is called. A training shares its micro-batches among them.
#[derive(Debug, Clone)]
pub struct Compute {
    name: DeviceName,
    devices: Vec<Device>,
}

impl DeviceName {
    /// Names of the devices that this program was built with.
    pub fn compiled() -> Vec<&'static str> {
        let mut names = vec!["cpu"];
        names.extend(cfg!(feature = "cuda").then_some("cuda:N"));
        names.extend(cfg!(feature = "vulkan").then_some("vulkan:N"));
        names.extend(cfg!(feature = "metal").then_some("metal"));
        names
    }

    /// Opens the device and lets it compute what is known to the last bit: products of matrices and long sums.
    ///
    /// # Errors
    /// When the device was not compiled in, does not answer, or computes wrongly.
    pub fn open(self) -> Result<Compute, LearnError> {
        self.opened(&defect)
    }

    /// Opens the device whatever it computes: for tests of small networks on drivers that [`DeviceName::open`] refuses.
    ///
    /// # Errors
    /// When the device was not compiled in, or does not answer.
    pub fn open_unchecked(self) -> Result<Compute, LearnError> {
        self.opened(&|device| {
            // A driver that is not there shows only when it is used.
            let _ = sum(device);
            None
        })
    }

    fn opened(self, defect: &dyn Fn(&Device) -> Option<String>) -> Result<Compute, LearnError> {
        if self == Self::Auto {
            let gpus = [Self::Cuda(0), Self::Metal, Self::Vulkan(0)];
            let found =
                gpus.into_iter().filter(|gpu| !gpu.is_software()).find_map(|gpu| gpu.opened(defect).ok());
            return found.map_or_else(|| Self::Cpu.opened(defect), Ok);
        }
        if !self.is_compiled() {
            return Err(LearnError::DeviceNotCompiled {
                device: self.to_string(),
                available: Self::compiled().join(", "),
                feature: self.feature(),
            });
        }
        let failed = |reason: String| LearnError::DeviceFailed { device: self.to_string(), reason };
        // A driver that is not there makes burn panic.
        let tried = guarded(|| self.device().map(|device| (defect(&device), device)));
        match tried {
            Ok(Some((None, device))) => Ok(Compute { name: self, devices: vec![device] }),
            Ok(Some((Some(defect), _))) => Err(failed(defect)),
            Ok(None) => Err(failed(Self::missing())),
            Err(reason) => Err(failed(reason)),
        }
    }

    const fn is_compiled(self) -> bool {
        match self {
            Self::Auto | Self::Cpu => true,
            Self::Cuda(_) => cfg!(feature = "cuda"),
            Self::Vulkan(_) => cfg!(feature = "vulkan"),
            Self::Metal => cfg!(feature = "metal"),
        }
    }

    const fn feature(self) -> &'static str {
        match self {
            Self::Auto | Self::Cpu => "default",
            Self::Cuda(_) => "cuda",
            Self::Vulkan(_) => "vulkan",
            Self::Metal => "metal",
        }
    }

    /// burn's handle, if there is such a device; one that is not there may show only when it is used.
    fn device(self) -> Option<Device> {
        match self {
            Self::Cpu => Some(Device::flex()),
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => Some(Device::cuda(index)),
            Self::Vulkan(index) => vulkan::devices().get(index).cloned(),
            #[cfg(feature = "metal")]
            Self::Metal => Some(Device::metal(burn::tensor::DeviceKind::DefaultDevice)),
            _ => None,
        }
    }

    /// Why there is no handle.
    fn missing() -> String {
        match vulkan::devices().len() {
            0 => "no Vulkan driver was found".to_owned(),
            count => format!("the Vulkan drivers here have {count}, numbered from 0"),
        }
    }

    /// Whether a driver computes this on the CPU, more slowly than the CPU itself.
    fn is_software(self) -> bool {
        matches!(self, Self::Vulkan(index) if vulkan::devices().get(index).is_some_and(vulkan::is_software))
    }
}

#[cfg(not(feature = "vulkan"))]
mod vulkan {
    use burn::tensor::Device;

    pub(super) fn devices() -> &'static [Device] {
        &[]
    }

    pub(super) fn is_software(_: &Device) -> bool {
        false
    }
}

#[cfg(feature = "vulkan")]
mod vulkan {
    use std::sync::OnceLock;

    use burn::backend::{CubeDevice, WgpuBackend, WgpuDevice, WgpuDeviceKind};
    use burn::tensor::Device;

    /// All that have a driver: discrete ones first, software last.
    pub(super) fn devices() -> &'static [Device] {
        static FOUND: OnceLock<Vec<Device>> = OnceLock::new();
        FOUND.get_or_init(|| {
            let kinds = [
                WgpuDeviceKind::DiscreteGpu(0),
                WgpuDeviceKind::IntegratedGpu(0),
                WgpuDeviceKind::VirtualGpu(0),
                WgpuDeviceKind::Other(0),
                WgpuDeviceKind::Cpu,
            ];
            let of_kind = |kind| CubeDevice::enumerate(of(kind).to_id());
            let all = super::guarded(|| kinds.into_iter().flat_map(of_kind).collect::<Vec<_>>());
            all.unwrap_or_default().into_iter().map(|id| CubeDevice::from_id(id).into()).collect()
        })
    }

    pub(super) fn is_software(device: &Device) -> bool {
        *device == Device::from(of(WgpuDeviceKind::Cpu))
    }

    fn of(kind: WgpuDeviceKind) -> CubeDevice {
        CubeDevice::Wgpu(WgpuDevice::new(kind).on(WgpuBackend::Vulkan))
    }
}

/// The type of the numbers of a precision.
pub(super) const fn dtype(precision: Precision) -> DType {
    match precision {
        Precision::Single => DType::F32,
        Precision::Bf16 => DType::BF16,
        Precision::F16 => DType::F16,
    }
}

impl Compute {
    /// Refuses a precision that convolutions do not have here: on the CPU `f16`.
    ///
    /// # Errors
    /// When a device cannot add two numbers of it.
    pub fn check(&self, precision: Precision) -> Result<(), LearnError> {
        let cpu = self.is_cpu();
        match precision {
            Precision::Single => Ok(()),
            Precision::Bf16 if cpu => Ok(()),
            _ if !cpu && self.has(dtype(precision)) => Ok(()),
            _ => Err(LearnError::Precision {
                device: self.name().to_string(),
                precision: precision.name(),
                allowed: if cpu { "single, bf16, or a GPU that has it" } else { "single" },
            }),
        }
    }

    fn has(&self, precision: DType) -> bool {
        let adds = |device: &Device| {
            let ones = Tensor::<1>::ones([8], device).cast(precision);
            let sum = (ones.clone() + ones).cast(DType::F32).sum();
            (sum.into_data().iter::<f32>().sum::<f32>() - 16.0).abs() < 1e-3
        };
        self.devices.iter().all(|device| guarded(|| adds(device)).unwrap_or(false))
    }

    /// The CPU, which is always there.
    pub fn cpu() -> Self {
        Self { name: DeviceName::Cpu, devices: vec![Device::flex()] }
    }

    /// Opens several devices of one kind, as in `cuda:0,cuda:1`.
    ///
    /// # Errors
    /// When there is none, they are of different kinds, or one does not answer.
    pub fn open(names: &[DeviceName]) -> Result<Self, LearnError> {
        let mut opened: Option<Self> = None;
        for name in names {
            let next = name.open()?;
            opened = Some(match opened {
                None => next,
                Some(first) if first.name.feature() == next.name.feature() => {
                    Self { devices: [first.devices, next.devices].concat(), ..first }
                }
                Some(first) => {
                    return Err(LearnError::MixedDevices {
                        first: first.name.to_string(),
                        other: next.name.to_string(),
                    });
                }
            });
        }
        opened.map_or_else(|| DeviceName::Auto.open(), Ok)
    }

    /// The first device, never `auto`.
    pub const fn name(&self) -> DeviceName {
        self.name
    }

    /// Whether the parts of a batch are computed by the threads of one CPU.
    pub(super) fn is_cpu(&self) -> bool {
        self.name == DeviceName::Cpu && self.devices.len() == 1
    }

    /// burn's handle of the first device, without gradients: weights and moments live there.
    pub fn device(&self) -> &Device {
        &self.devices[0]
    }

    /// burn's handles of all.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Vulkan(index) => write!(f, "vulkan:{index}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

impl FromStr for DeviceName {
    type Err = LearnError;

    fn from_str(text: &str) -> Result<Self, LearnError> {
        let unknown = || LearnError::UnknownDevice { got: text.to_owned() };
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => (name, Some(index.parse::<u16>().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let n = usize::from(index.unwrap_or(0));
        match (name, index) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(n)),
            ("vulkan", _) => Ok(Self::Vulkan(n)),
            ("metal", None) => Ok(Self::Metal),
            _ => Err(unknown()),
        }
    }
}

/// Ones that are summed up: more than a shader's loop goes round on some drivers, fewer than single precision counts.
const ONES: usize = 1 << 20;

/// Operation that a device computes wrongly, if any. A driver may load a program that it does not understand, or end its loops
/// early, and go on with wrong numbers.
fn defect(device: &Device) -> Option<String> {
    defect_of(multiplies(device), sum(device), product(device))
}

/// Operation that is wrong by a device's results: whether a product of two matrices is right, the sum of [`ONES`] ones along a
/// dimension, and the product of a row and a column of as many.
fn defect_of(multiplies: bool, sum: f32, product: f32) -> Option<String> {
    let short = |what: &str, got: f32| {
        (got.to_bits() != (ONES as f32).to_bits())
            .then(|| format!("{what} of {ONES} ones comes out as {got}: its driver ends loops early"))
    };
    (!multiplies)
        .then(|| "a product of two matrices comes out wrong".to_owned())
        .or_else(|| short("a sum", sum))
        .or_else(|| short("a product of a row and a column", product))
}

/// Whether a product of two matrices is right to the last bit, as it must be for small whole numbers.
fn multiplies(device: &Device) -> bool {
    const N: usize = 40;
    let element = |i: usize, j: usize| ((3 * i + 5 * j) % 7) as f32 - 3.0;
    let numbers =
        |f: &dyn Fn(usize, usize) -> f32| -> Vec<f32> { (0..N * N).map(|n| f(n / N, n % N)).collect() };
    let matrix =
        |f: &dyn Fn(usize, usize) -> f32| Tensor::<2>::from_data(TensorData::new(numbers(f), [N, N]), device);
    let product = matrix(&element).matmul(matrix(&|i, j| element(j, i * i)));
    let exact = numbers(&|i, j| (0..N).map(|k| element(i, k) * element(j, k * k)).sum());
    product.into_data().iter::<f32>().eq(exact)
}

/// The sum of [`ONES`] ones along a dimension, the smaller of two such sums.
fn sum(device: &Device) -> f32 {
    let sums = Tensor::<2>::ones([2, ONES], device).sum_dim(1);
    sums.into_data().iter::<f32>().fold(f32::INFINITY, f32::min)
}

/// The product of a row and a column of [`ONES`] ones.
fn product(device: &Device) -> f32 {
    let product = Tensor::<2>::ones([1, ONES], device).matmul(Tensor::ones([ONES, 1], device));
    product.into_data().iter::<f32>().sum()
}

/// Number of threads within [`guarded`].
static GUARDED: AtomicUsize = AtomicUsize::new(0);

/// Runs work that panics where a device fails (no driver, out of memory, lost); the error is what it said, in one line.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    GUARDED.fetch_add(1, Ordering::SeqCst);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.fetch_sub(1, Ordering::SeqCst);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        one_line(text.or_else(|| panic.downcast_ref().copied()).unwrap_or("no reason given"))
    })
}

/// Keeps panics that become errors off the standard error output, where the error alone belongs. For a whole program, as
/// a device's panic may come from a thread of its driver.
pub fn hide_caught_panics() {
    let usual = take_hook();
    set_hook(Box::new(move |panic| {
        if GUARDED.load(Ordering::SeqCst) == 0 {
            usual(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_wrong_ones_say_what_is_allowed() {
        for name in ["auto", "cpu", "cuda:1", "vulkan:0", "metal"] {
            assert_eq!(name.parse::<DeviceName>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse::<DeviceName>().unwrap(), DeviceName::Cuda(0));
        for name in ["", "gpu", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "metal:0", "auto:1"] {
            let error = name.parse::<DeviceName>().unwrap_err().to_string();
            assert!(error.contains("allowed: auto, cpu, cuda:N, vulkan:N, metal"), "{error}");
        }
    }

    /// Results of lavapipe 22.3.6, and of a driver that loads a wrong program.
    #[test]
    fn issue_13_28_drivers_that_end_loops_early_are_refused() {
        let cpu = Device::flex();
        assert_eq!((multiplies(&cpu), sum(&cpu), product(&cpu)), (true, ONES as f32, ONES as f32));
        assert_eq!(defect(&cpu), None);
        let refused =
            |defect: Option<String>| DeviceName::Cpu.opened(&|_| defect.clone()).unwrap_err().to_string();
        let (all, cut) = (ONES as f32, 262_140.0);
        assert_eq!(
            refused(defect_of(true, cut, all)),
            "device cpu does not work here: a sum of 1048576 ones comes out as 262140: its driver ends loops early"
        );
        let error = refused(defect_of(true, all, cut));
        assert!(
            error.contains("a product of a row and a column of 1048576 ones comes out as 262140"),
            "{error}"
        );
        let error = refused(defect_of(true, f32::NAN, all));
        assert!(error.contains("a sum of 1048576 ones comes out as NaN"), "{error}");
        let error = refused(defect_of(false, all, all));
        assert!(error.contains("a product of two matrices comes out wrong"), "{error}");
        assert_eq!(DeviceName::Cpu.open_unchecked().unwrap().name(), DeviceName::Cpu);
    }

    #[test]
    fn cpu_opens_and_auto_falls_back_to_it() {
        assert_eq!(DeviceName::Cpu.open().unwrap().name(), DeviceName::Cpu);
        assert_eq!(guarded(|| panic!("no\ndriver")), Err::<(), _>("no driver".to_owned()));
        if DeviceName::compiled() == ["cpu"] {
            assert_eq!(DeviceName::Auto.open().unwrap().name(), DeviceName::Cpu);
            let error = DeviceName::Cuda(0).open().unwrap_err().to_string();
            assert_eq!(
                error,
                "device cuda:0 was not compiled in; compiled in: cpu (build with --features cuda)"
            );
        }
    }
}
