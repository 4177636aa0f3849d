//! A row of numbers as a row of blocks.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Blocks as high as the numbers, from nothing to the largest; a blank where there is none.
pub(crate) fn spark(numbers: &[Option<u64>]) -> String {
    let most = numbers.iter().flatten().max().copied().unwrap_or(0);
    let block = |number: &Option<u64>| match number {
        None => ' ',
        Some(_) if most == 0 => BLOCKS[0],
        Some(number) => {
            let step = u128::from(*number) * (BLOCKS.len() as u128 - 1);
            BLOCKS[usize::try_from(step.div_ceil(most.into())).unwrap_or(0)]
        }
    };
    numbers.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_high_as_numbers() {
        assert_eq!(
            spark(&[Some(0), Some(1), Some(50), None, Some(100)]),
            "▁▂▅ █"
        );
        assert_eq!(spark(&[Some(0), Some(0)]), "▁▁");
        assert_eq!(spark(&[Some(u64::MAX)]), "█");
        assert_eq!(spark(&[]), "");
    }
}
