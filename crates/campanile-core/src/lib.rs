//! Words, units and seams of campanile: ids, meters, usage, money, content, events.
