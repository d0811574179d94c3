//! Currency codes: ISO 4217, and what a configuration adds.

/// The active codes of ISO 4217, funds and precious metals included, sorted.
///
/// Source: ISO 4217 list one, maintained by SIX on behalf of ISO, as of 2026-01-01, and the codes
/// withdrawn from 2000 on, which old orders still carry.
static ISO_4217: &[&str] = &[
    "ADP", "AED", "AFA", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "ATS", "AUD", "AWG", "AZM",
    "AZN", "BAM", "BBD", "BDT", "BEF", "BGL", "BGN", "BHD", "BIF", "BMD", "BND", "BOB", "BOV",
    "BRL", "BSD", "BTN", "BWP", "BYN", "BYR", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CLF",
    "CLP", "CNY", "COP", "COU", "CRC", "CSD", "CUC", "CUP", "CVE", "CYP", "CZK", "DEM", "DJF",
    "DKK", "DOP", "DZD", "EEK", "EGP", "ERN", "ESP", "ETB", "EUR", "FIM", "FJD", "FKP", "FRF",
    "GBP", "GEL", "GHC", "GHS", "GIP", "GMD", "GNF", "GRD", "GTQ", "GWP", "GYD", "HKD", "HNL",
    "HRK", "HTG", "HUF", "IDR", "IEP", "ILS", "INR", "IQD", "IRR", "ISK", "ITL", "JMD", "JOD",
    "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR",
    "LRD", "LSL", "LTL", "LUF", "LVL", "LYD", "MAD", "MDL", "MGA", "MGF", "MKD", "MMK", "MNT",
    "MOP", "MRO", "MRU", "MTL", "MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZM", "MZN", "NAD",
    "NGN", "NIO", "NLG", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN",
    "PTE", "PYG", "QAR", "ROL", "RON", "RSD", "RUB", "RUR", "RWF", "SAR", "SBD", "SCR", "SDD",
    "SDG", "SEK", "SGD", "SHP", "SIT", "SKK", "SLE", "SLL", "SOS", "SRD", "SRG", "SSP", "STD",
    "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMM", "TMT", "TND", "TOP", "TRL", "TRY", "TTD",
    "TWD", "TZS", "UAH", "UGX", "USD", "USN", "USS", "UYI", "UYU", "UYW", "UZS", "VEB", "VED",
    "VEF", "VES", "VND", "VUV", "WST", "XAD", "XAF", "XAG", "XAU", "XBA", "XBB", "XBC", "XBD",
    "XCD", "XCG", "XDR", "XOF", "XPD", "XPF", "XPT", "XSU", "XUA", "YER", "YUM", "ZAR", "ZMK",
    "ZMW", "ZWD", "ZWG", "ZWL", "ZWN", "ZWR",
];

/// A bit for each of the 26 x 26 x 26 codes that three letters can make: the currency of every order
/// is looked up, and a search among texts takes longer than most of decoding.
static CODES: [u64; WORDS] = {
    let mut codes = [0; WORDS];
    let mut next = 0;
    while next < ISO_4217.len() {
        if let &[first, second, third] = ISO_4217[next].as_bytes()
            && let Some((word, bit)) = place([first, second, third])
        {
            codes[word] |= bit;
        }
        next += 1;
    }
    codes
};

const WORDS: usize = (26_usize * 26 * 26).div_ceil(64);

/// Where the bit of a code of three capital letters stands.
#[inline]
const fn place(code: [u8; 3]) -> Option<(usize, u64)> {
    let mut number = 0;
    let mut next = 0;
    while next < code.len() {
        let letter = code[next].wrapping_sub(b'A');
        if letter >= 26 {
            return None;
        }
        number = number * 26 + letter as usize;
        next += 1;
    }
    Some((number / 64, 1 << (number % 64)))
}

/// How many codes a configuration can add: a partition tells 254 currencies apart, and of two that
/// it could not tell apart the amounts would be added.
pub const MAX_ADDED: usize = 254 - ISO_4217.len();

/// Whether `code` is in ISO 4217, now or at some time since 2000. Upper case, as the standard has it.
#[must_use]
pub fn iso_4217(code: &str) -> bool {
    let &[first, second, third] = code.as_bytes() else {
        return false;
    };
    place([first, second, third]).is_some_and(|(word, bit)| CODES[word] & bit != 0)
}

/// Currencies without a smaller unit. For withdrawn ones, as they were.
static WITHOUT_MINOR: &[&str] = &[
    "ADP", "BEF", "BIF", "BYR", "CLP", "DJF", "ESP", "GNF", "GRD", "ISK", "ITL", "JPY", "KMF",
    "KRW", "LUF", "MGF", "PTE", "PYG", "ROL", "RWF", "TRL", "UGX", "UYI", "VND", "VUV", "XAF",
    "XOF", "XPF",
];
static THOUSANDTHS: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];
static TEN_THOUSANDTHS: &[&str] = &["CLF", "UYW"];
/// Metals and units of account, for which the standard has no smaller unit to tell of.
static UNKNOWN_MINOR: &[&str] = &[
    "XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XUA",
];

/// How many decimals the smallest unit of a currency is of it, by ISO 4217: 2 for cents.
///
/// ```
/// use tenure::event::currency::minor_digits;
/// assert_eq!(minor_digits("EUR"), Some(2));
/// assert_eq!(minor_digits("JPY"), Some(0));
/// assert_eq!(minor_digits("XAU"), None);
/// ```
#[must_use]
pub fn minor_digits(code: &str) -> Option<u8> {
    let among = |codes: &[&str]| codes.binary_search(&code).is_ok();
    if !iso_4217(code) || among(UNKNOWN_MINOR) {
        None
    } else if among(WITHOUT_MINOR) {
        Some(0)
    } else if among(THOUSANDTHS) {
        Some(3)
    } else if among(TEN_THOUSANDTHS) {
        Some(4)
    } else {
        Some(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_and_others_are_not() {
        assert!(ISO_4217.is_sorted());
        for code in ["EUR", "USD", "TRY", "JPY", "XCG", "ADP", "ZWR"] {
            assert!(iso_4217(code), "{code}");
        }
        for code in [
            "", "eur", "EURO", "US", "XXX", "XTS", "BTC", "E\u{e9}", "A@Z", "[[[",
        ] {
            assert!(!iso_4217(code), "{code}");
        }
    }

    #[test]
    fn of_all_texts_of_three_letters_only_the_codes_are_codes() {
        for first in b'@'..=b'[' {
            for second in b'@'..=b'[' {
                for third in b'@'..=b'[' {
                    let code = [first, second, third];
                    let code = std::str::from_utf8(&code).unwrap();
                    assert_eq!(iso_4217(code), ISO_4217.contains(&code), "{code}");
                }
            }
        }
    }

    #[test]
    fn every_code_that_has_smaller_units_of_its_own_is_a_code() {
        for codes in [WITHOUT_MINOR, THOUSANDTHS, TEN_THOUSANDTHS, UNKNOWN_MINOR] {
            assert!(codes.is_sorted());
            assert!(codes.iter().all(|code| iso_4217(code)), "{codes:?}");
        }
        assert_eq!(minor_digits("BTC"), None);
    }
}
