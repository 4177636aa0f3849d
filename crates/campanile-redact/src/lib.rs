//! Finds and masks what people must not read: cards, keys, names, also in spoken form.
