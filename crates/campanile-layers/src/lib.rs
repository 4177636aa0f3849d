//! tower layers that watch a stage: calls, timing, usage, errors, redaction.
