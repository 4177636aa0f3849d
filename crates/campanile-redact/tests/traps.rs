//! Harmless text that looks like something: it must come out byte by byte as it went in.

use campanile_redact::Redactor;

const TRAPS: &str = r#"
order 10293847 is on its way
two hundred and fifty people came
it was nineteen eighty four
call me at seven thirty tomorrow
i'll call you at five
nine one one
please hold for two to three minutes
the meeting is at ten fifteen on may third
room two one four is free
gate b twelve
flight ua 1234 departs at 10:45
12:34:56 up 3 days, 4:05, load average: 0.12, 0.34, 0.56
error code 404
fix the generated code ([#1696])
- make escape codes shorter (#3398)
### 0.0.9 (2020-04-03)
all tests pass: `cargo test`
to pass '--unknown' as a value
hash_password::<sha2::Sha256>
&signature::ECDSA_P256_SHA256_ASN1_SIGNING
let a = Bytes::from("hello world");
while this is usually found here
named captures can be written as
    [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0],
4, 4, 4, 88, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 27
255.255.255.0 of 10.0.0.0/8
version 1.2.3.4-beta
jitter 89.5 ms loss 0.48%
exit code 137
http status code 503 returned
zip code 90210
the postal code is 94107
commit 8f3a2c71d9e04b5a6c7d8e9f0a1b2c3d4e5f6071 fixed it
trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
image@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
Uuid::from_u128(0x67e5504410b1426f9247bb680e5fe0c8)
gpt-4o-mini-2024-07-18
claude-3-5-sonnet-20241022
model=nova-2-phonecall
1712839069123 ms since the epoch
timestamp 1712839069
created at 1712839069123456789
ISBN 978-3-16-148410-0
isbn 9783161484100
part 123-45-6789 in stock
max_tokens=4096&temperature=0.2
token_count: 1234567890
the secret to good bread is time
password: ********
password must contain 8 characters
reset password link sent
your password was changed yesterday
please enter the password
forgot my password again
Authorization: Bearer [REDACTED]
Authorization: Bearer ${TOKEN}
api_key=$API_KEY
sk_buff allocation failed
import sk-learn
task-12345678901234567890
disk-usage-percentage-report-2024
a::b::c
std::net::Ipv4Addr
fe::dead::beef
ratio 3:4:5
#ff00aa and #00ff00aa
git@github.com:acme/widget.git
@app.route("/x")
user@host
look at github.com for details
it was at the dot com era
we met at noon
will mark frank rose and grace be there in may
can you bill me in june
the price is 1,234,567.89 dollars
population 8 336 817
1 2 3 4 5 6 7 8 9 10 11 12 13
0 1 0 1 1 0 0 1 0 1 1 0
3.14159265358979
lat 40.712776 lon -74.005974
2024-01-02 2024-03-04
from 01/02/2024 to 03/04/2024
bytes 0-1048575/10485760
Content-Length: 12345678
pid 12345 tid 1234567
took 123456789 ns
x-request-id: 7f3c9a1e2b4d4f6a8c0e1d2f3a4b5c6d
req_011CSHoEeqs5C35K2UUqR7Fy
chatcmpl-9aBcDeFgHiJkLmNoPqRsTuVwXyZ12
highway one oh one
i have two kids and three dogs
one two three four five six seven eight nine ten
there are twenty one twenty two people
in twenty twenty four we grew
thanks so much for calling
thanks i will
this is great
this is from the manager
this is not working
my wife is on the policy
my husband called yesterday
my boss said no
doctor said i should rest
i miss you
i am from here
my name is on the list
hi there how are you
hello can you hear me
the account is open now
account manager called
send it to two people in the office
pick me up at seven thirty tomorrow morning please
send it to me by friday
meet me at 5 on main street
code review at 3
pin this message
the code is broken
press 1 for sales press 2 for support
extension 4321
dial 0 for the operator
version 1.2.3.4
10.2.3 is the version
chapter 12.4.1.2
127.0.0.1:8080
::1
0.0.0.0
key=value
key: value pairs
primary key violation on orders_2024_backup_01
idempotency-key: 7f3c9a1e-2b4d-4f6a-8c0e-1d2f3a4b5c6d
the api key is invalid
api key rejected for project alpha-beta-gamma
bearer of bad news
the token expired at 2024-12-20T18:35:31.927Z
next page token: none
session abc
licence plate
driver license required
born to be wild
born in the usa
date of birth is required
happy birthday to you two
two factor
one more thing
oh one second
o k
Monday March 12 2025 at 10
March 2025 release
The President met the Prime Minister
Visual Studio Code 1.85
Error: ENOENT: no such file or directory, open '/app/data/config.json'
at Object.<anonymous> (/usr/src/app/index.js:10:15)
frames=48000 rate=16000 bits=16
call dropped after 183 seconds
called 3 times
the number of calls is 12345678
phone bill is 45 dollars
caller hung up after 12 seconds
text generation took 1234567 us
contact us for 1234567 reasons
I am Groot
We use Amazon Web Services
deepgram nova-2-general-2024-01-09 is slow
elevenlabs eleven_turbo_v2_5 model
twilio call CA0123456789abcdef0123456789abcdef ended
auth failed for request 0af7651916cd43dd8448eb211c80319c
key: voice_sample_2024_07_18_final_mix
secret manager version projects/1234567890/secrets/x/versions/2
arn:aws:iam::123456789012:role/Admin
[2024-12-20T18:35:31Z] 10.0% done 5551234
call 1-800-FLOWERS
node_modules/@babel/core@7.22.5
Thank You For Calling
Contact Customer Support for Help
license: MIT OR Apache-2.0
padded id 0001234567 of the row
https://host.example:8080/path?to=@someone
used 278432 of 980267 tokens
case #30780793 is still open
run 41816572 finished in 468.9s
u32::MAX = 4294967295
425316943255 ns
npm i @scope/pkg@7.44.13
request_id=6f25d257-8fe0-4937-804f-1f41fc0847d2
namespace::{self, Thing}
testing testing one two three
the SK locale is sk-SK
export OPENAI_API_KEY=$OPENAI_API_KEY
contact the on-call @sre-team
next_page_token: o5xMuTThZJjF84Ky9iiLixYmpxx+PEy4FWdSNp
0101 1010 0011
18/Jan/2026:13:00:38 +0000 completed
https://acct.blob.core.windows.net/c/b?sv=2022-11-02
ten nine eight seven six five four three two one zero
the tracking number is oh oh seven six one seven three oh two oh two
two okay one more thing
from one to ten how would you rate us
nine to five okay
i tried my password three times
password attempts left 3
password: (hidden)
set-cookie: theme=dark; Max-Age=5974806
code=971
up to 4294967295 bytes
population is 8 336 817
total 1234567 of 7654321 frames
my father retired at the age of 61
the Treaty on European Union
08685, and 51415
the deal is o like one
one hundred twenty three thousand four hundred fifty six
"#;

#[test]
fn harmless_text_is_left_alone() {
    let redactor = Redactor::standard();

    for text in TRAPS.lines() {
        assert_eq!(redactor.mask(text), text);
    }
}

#[test]
fn harmless_text_is_left_alone_in_one_piece_too() {
    let redactor = Redactor::standard();
    let found: Vec<_> = redactor
        .scan(TRAPS)
        .iter()
        .map(|find| &TRAPS[find.start..find.end])
        .collect();

    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn certificates_and_public_keys_are_no_secrets() {
    let redactor = Redactor::standard();
    for label in ["CERTIFICATE", "PUBLIC KEY"] {
        let text = format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----");
        assert_eq!(redactor.mask(&text), text);
    }
}
