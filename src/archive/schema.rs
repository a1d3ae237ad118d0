//! The fields of the archive's tantivy index, and the tokenizer that splits text into words.

use tantivy::IndexSettings;
use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer, TokenizerManager};

use crate::query::token::{Runs, runs};

/// The time of the event, in nanoseconds since the epoch.
pub const TIME: Field = Field::from_field_id(0);
/// The offset of the event in its generation: the order of events with the same time.
pub const OFFSET: Field = Field::from_field_id(1);
/// The UTC day on which the event was read (`event.created`), in days since the epoch.
pub const DAY: Field = Field::from_field_id(2);
/// 1 (trace) to 7 (fatal); absent if the event has no level.
pub const LEVEL: Field = Field::from_field_id(3);
/// The event document, as JSON.
pub const DOCUMENT: Field = Field::from_field_id(4);
/// One term per field with its value (JSON leaf) of the document: see [`super::term`].
pub const LEAF: Field = Field::from_field_id(5);
/// The words of the search text.
pub const WORDS: Field = Field::from_field_id(6);

pub const TIME_NAME: &str = "time";
pub const OFFSET_NAME: &str = "offset";
pub const DAY_NAME: &str = "day";

const TOKENIZER: &str = "logwarden-words-1";
/// Bytes of documents that are compressed together: larger blocks need less disk space, but reading a single document
/// takes longer.
const BLOCK: usize = 64 * 1024;

pub fn schema() -> Schema {
    let fast = || NumericOptions::default().set_fast();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let mut builder = Schema::builder();
    let fields = [
        builder.add_i64_field(TIME_NAME, fast()),
        builder.add_u64_field(OFFSET_NAME, fast()),
        builder.add_i64_field(DAY_NAME, fast()),
        builder.add_u64_field("level", NumericOptions::default().set_indexed()),
        builder.add_bytes_field("document", BytesOptions::default().set_stored()),
        builder.add_bytes_field("leaf", BytesOptions::default().set_indexed()),
        builder.add_text_field("words", TextOptions::default().set_indexing_options(indexing)),
    ];
    debug_assert_eq!(fields, [TIME, OFFSET, DAY, LEVEL, DOCUMENT, LEAF, WORDS]);
    builder.build()
}

pub(super) fn settings() -> IndexSettings {
    IndexSettings {
        docstore_compression: Compressor::Zstd(ZstdCompressor { compression_level: Some(3) }),
        docstore_blocksize: BLOCK,
        // Logwarden uses one core: it compresses in the indexing thread instead of one thread per segment.
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    }
}

pub(super) fn tokenizers() -> TokenizerManager {
    let tokenizers = TokenizerManager::default();
    tokenizers.register(TOKENIZER, Words::default());
    tokenizers
}

/// The tokens of [`crate::query::token`], so that the index finds the same events as a predicate in memory.
#[derive(Clone, Default)]
struct Words {
    token: Token,
}

struct WordStream<'a> {
    runs: Runs<'a>,
    token: &'a mut Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.token.reset();
        WordStream { runs: runs(text), token: &mut self.token }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(run) = self.runs.next() else { return false };
        run.write_token(&mut self.token.text);
        self.token.offset_from = run.at;
        self.token.offset_to = run.at + run.text.len();
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
