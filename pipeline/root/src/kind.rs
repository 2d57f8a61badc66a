//! Types of numbers, by their names in ROOT and in Arrow.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};

/// Type of the numbers of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Bool,
        Self::I8,
        Self::U8,
        Self::I16,
        Self::U16,
        Self::I32,
        Self::U32,
        Self::I64,
        Self::U64,
        Self::F32,
        Self::F64,
    ];

    /// The type of a leaf, or why it is none.
    pub(crate) fn of_leaf(class: &str, is_unsigned: bool) -> Result<Self, String> {
        let (signed, unsigned) = match class {
            "TLeafO" => (Self::Bool, Self::Bool),
            "TLeafB" => (Self::I8, Self::U8),
            "TLeafS" => (Self::I16, Self::U16),
            "TLeafI" => (Self::I32, Self::U32),
            "TLeafL" | "TLeafG" => (Self::I64, Self::U64),
            "TLeafF" => (Self::F32, Self::F32),
            "TLeafD" => (Self::F64, Self::F64),
            "TLeafC" => return Err("text".to_owned()),
            "TLeafF16" => return Err("Float16_t, numbers of fewer bits".to_owned()),
            "TLeafD32" => return Err("Double32_t, numbers of fewer bits".to_owned()),
            other => return Err(format!("leaves of the class {other}")),
        };
        Ok(if is_unsigned { unsigned } else { signed })
    }

    /// The type of a column that can be written.
    pub(crate) fn of_column(data_type: &DataType) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.data_type() == *data_type)
    }

    pub(crate) const fn data_type(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::I8 => DataType::Int8,
            Self::U8 => DataType::UInt8,
            Self::I16 => DataType::Int16,
            Self::U16 => DataType::UInt16,
            Self::I32 => DataType::Int32,
            Self::U32 => DataType::UInt32,
            Self::I64 => DataType::Int64,
            Self::U64 => DataType::UInt64,
            Self::F32 => DataType::Float32,
            Self::F64 => DataType::Float64,
        }
    }

    /// Bytes of a number.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// Class of its leaves, and the letter of its type.
    pub(crate) const fn leaf(self) -> (&'static str, char) {
        match self {
            Self::Bool => ("TLeafO", 'O'),
            Self::I8 => ("TLeafB", 'B'),
            Self::U8 => ("TLeafB", 'b'),
            Self::I16 => ("TLeafS", 'S'),
            Self::U16 => ("TLeafS", 's'),
            Self::I32 => ("TLeafI", 'I'),
            Self::U32 => ("TLeafI", 'i'),
            Self::I64 => ("TLeafL", 'L'),
            Self::U64 => ("TLeafL", 'l'),
            Self::F32 => ("TLeafF", 'F'),
            Self::F64 => ("TLeafD", 'D'),
        }
    }

    pub(crate) const fn is_unsigned(self) -> bool {
        matches!(self, Self::U8 | Self::U16 | Self::U32 | Self::U64)
    }

    /// Numbers as they lie in a file.
    pub(crate) fn decode(self, bytes: &[u8]) -> ArrayRef {
        fn numbers<T: ArrowPrimitiveType, const N: usize>(
            bytes: &[u8],
            number: impl Fn([u8; N]) -> T::Native,
        ) -> ArrayRef {
            let numbers: Vec<_> = bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect();
            Arc::new(PrimitiveArray::<T>::new(numbers.into(), None))
        }
        match self {
            Self::Bool => Arc::new(bytes.iter().map(|&byte| Some(byte != 0)).collect::<BooleanArray>()),
            Self::I8 => numbers::<Int8Type, 1>(bytes, i8::from_be_bytes),
            Self::U8 => numbers::<UInt8Type, 1>(bytes, u8::from_be_bytes),
            Self::I16 => numbers::<Int16Type, 2>(bytes, i16::from_be_bytes),
            Self::U16 => numbers::<UInt16Type, 2>(bytes, u16::from_be_bytes),
            Self::I32 => numbers::<Int32Type, 4>(bytes, i32::from_be_bytes),
            Self::U32 => numbers::<UInt32Type, 4>(bytes, u32::from_be_bytes),
            Self::I64 => numbers::<Int64Type, 8>(bytes, i64::from_be_bytes),
            Self::U64 => numbers::<UInt64Type, 8>(bytes, u64::from_be_bytes),
            Self::F32 => numbers::<Float32Type, 4>(bytes, f32::from_be_bytes),
            Self::F64 => numbers::<Float64Type, 8>(bytes, f64::from_be_bytes),
        }
    }

    /// Appends the numbers of an array of this type as they lie in a file.
    pub(crate) fn encode(self, array: &dyn Array, bytes: &mut Vec<u8>) {
        fn numbers<T: ArrowPrimitiveType, const N: usize>(
            array: &dyn Array,
            bytes: &mut Vec<u8>,
            number: impl Fn(T::Native) -> [u8; N],
        ) {
            let (values, start) = (array.as_primitive::<T>().values(), bytes.len());
            bytes.resize(start + N * values.len(), 0);
            for (place, &value) in bytes[start..].as_chunks_mut::<N>().0.iter_mut().zip(values) {
                *place = number(value);
            }
        }
        match self {
            Self::Bool => bytes.extend(array.as_boolean().values().iter().map(u8::from)),
            Self::I8 => numbers::<Int8Type, 1>(array, bytes, i8::to_be_bytes),
            Self::U8 => numbers::<UInt8Type, 1>(array, bytes, u8::to_be_bytes),
            Self::I16 => numbers::<Int16Type, 2>(array, bytes, i16::to_be_bytes),
            Self::U16 => numbers::<UInt16Type, 2>(array, bytes, u16::to_be_bytes),
            Self::I32 => numbers::<Int32Type, 4>(array, bytes, i32::to_be_bytes),
            Self::U32 => numbers::<UInt32Type, 4>(array, bytes, u32::to_be_bytes),
            Self::I64 => numbers::<Int64Type, 8>(array, bytes, i64::to_be_bytes),
            Self::U64 => numbers::<UInt64Type, 8>(array, bytes, u64::to_be_bytes),
            Self::F32 => numbers::<Float32Type, 4>(array, bytes, f32::to_be_bytes),
            Self::F64 => numbers::<Float64Type, 8>(array, bytes, f64::to_be_bytes),
        }
    }
}
