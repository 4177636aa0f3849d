//! Monitoring for real-time AI pipelines as tower layers: what a call cost, where the time went, why it failed.
