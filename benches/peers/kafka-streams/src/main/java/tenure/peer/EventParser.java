package tenure.peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.OffsetDateTime;

/**
 * Reads native events from JSON with Jackson's streaming parser.
 *
 * <p>Looks only at the fields that the job needs and skips the others without decoding them. Knows
 * the usual forms of times and amounts by heart and leaves the others to the JDK.
 */
final class EventParser {
    private static final int MILLIONTHS_DIGITS = 6;
    private static final long MILLIONTHS = 1_000_000;
    /** So many digits fit into a long together with the millionths. */
    private static final int FAST_DIGITS = 12;

    private final JsonFactory factory = new JsonFactoryBuilder().build();

    /**
     * Fills the event from a record's value.
     *
     * @return false if the value is no valid event
     */
    boolean parse(byte[] value, Event event) {
        try (JsonParser parser = factory.createParser(value)) {
            return read(parser, event);
        } catch (IOException | RuntimeException invalid) {
            return false;
        }
    }

    private static boolean read(JsonParser parser, Event event) throws IOException {
        String type = null;
        String survey = null;
        event.id = 0;
        event.occurredAt = Long.MIN_VALUE;
        event.amount = -1;
        event.currency = 0;
        event.score = -1;
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            return false;
        }
        String name;
        while ((name = parser.nextFieldName()) != null) {
            JsonToken token = parser.nextToken();
            switch (name) {
                case "event_id" -> event.id = fingerprint(parser);
                case "type" -> type = parser.getText();
                case "occurred_at" -> event.occurredAt = time(parser, token);
                case "amount" -> event.amount = amount(parser, token);
                case "currency" -> event.currency = currency(parser);
                case "survey" -> survey = parser.getText();
                case "score" -> event.score = parser.getByteValue();
                default -> parser.skipChildren();
            }
        }
        return type != null && event.id != 0 && event.occurredAt != Long.MIN_VALUE && classify(type, survey, event);
    }

    private static boolean classify(String type, String survey, Event event) {
        switch (type) {
            case "signup" -> event.kind = Event.SIGNUP;
            case "churn" -> event.kind = Event.CHURN;
            case "purchase" -> {
                event.kind = Event.PURCHASE;
                return event.amount >= 0 && event.currency != 0;
            }
            case "survey_submitted" -> {
                event.kind = switch (survey) {
                    case "nps" -> Event.NPS;
                    case "csat" -> Event.CSAT;
                    case "ces" -> Event.CES;
                    default -> throw new IllegalArgumentException("unknown survey");
                };
                return event.score >= 0 && event.score <= 10;
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    /** FNV-1a with the finaliser of MurmurHash3: 64 bits, never 0. */
    private static long fingerprint(JsonParser parser) throws IOException {
        char[] text = parser.getTextCharacters();
        int from = parser.getTextOffset();
        int to = from + parser.getTextLength();
        long hash = 0xcbf29ce484222325L;
        for (int at = from; at < to; at++) {
            hash = (hash ^ text[at]) * 0x100000001b3L;
        }
        hash = (hash ^ (hash >>> 33)) * 0xff51afd7ed558ccdL;
        hash = (hash ^ (hash >>> 33)) * 0xc4ceb9fe1a85ec53L;
        hash ^= hash >>> 33;
        return hash == 0 ? 1 : hash;
    }

    private static int currency(JsonParser parser) throws IOException {
        char[] text = parser.getTextCharacters();
        int from = parser.getTextOffset();
        return parser.getTextLength() == 3 ? text[from] << 16 | text[from + 1] << 8 | text[from + 2] : 0;
    }

    static String currencyName(int currency) {
        return new String(new char[] {(char) (currency >> 16), (char) (currency >> 8 & 0xff), (char) (currency & 0xff)});
    }

    private static long time(JsonParser parser, JsonToken token) throws IOException {
        if (token == JsonToken.VALUE_NUMBER_INT) {
            return parser.getLongValue();
        }
        char[] text = parser.getTextCharacters();
        int from = parser.getTextOffset();
        if (parser.getTextLength() == 24 && text[from + 19] == '.' && text[from + 23] == 'Z') {
            return utc(text, from);
        }
        return OffsetDateTime.parse(parser.getText()).toInstant().toEpochMilli();
    }

    /** {@code 2026-11-01T09:30:00.000Z}, which nearly all producers write. */
    private static long utc(char[] text, int from) {
        long year = number(text, from, 4);
        long month = number(text, from + 5, 2);
        long day = number(text, from + 8, 2);
        long hours = daysFromCivil(year, month, day) * 24 + number(text, from + 11, 2);
        long seconds = (hours * 60 + number(text, from + 14, 2)) * 60 + number(text, from + 17, 2);
        return seconds * 1000 + number(text, from + 20, 3);
    }

    private static long number(char[] text, int from, int digits) {
        long number = 0;
        for (int at = from; at < from + digits; at++) {
            int digit = text[at] - '0';
            if (digit < 0 || digit > 9) {
                throw new IllegalArgumentException("not a digit");
            }
            number = number * 10 + digit;
        }
        return number;
    }

    /** Days since 1970, by Howard Hinnant's formula for years from 0 on. */
    private static long daysFromCivil(long year, long month, long day) {
        long shifted = month <= 2 ? year - 1 : year;
        long era = shifted / 400;
        long yearOfEra = shifted - era * 400;
        long dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
        long dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
        return era * 146_097 + dayOfEra - 719_468;
    }

    private static long amount(JsonParser parser, JsonToken token) throws IOException {
        char[] text = parser.getTextCharacters();
        int from = parser.getTextOffset();
        int length = parser.getTextLength();
        long plain = plainAmount(text, from, from + length);
        if (plain >= 0) {
            return plain;
        }
        BigDecimal amount = new BigDecimal(text, from, length);
        RoundingMode rounding = token == JsonToken.VALUE_STRING ? RoundingMode.UNNECESSARY : RoundingMode.HALF_EVEN;
        return amount.setScale(MILLIONTHS_DIGITS, rounding).unscaledValue().longValueExact();
    }

    /** Digits with at most one point and six decimals; -1 if it is anything else. */
    private static long plainAmount(char[] text, int from, int to) {
        long number = 0;
        int decimals = -1;
        for (int at = from; at < to; at++) {
            int digit = text[at] - '0';
            if (digit >= 0 && digit <= 9) {
                number = number * 10 + digit;
                decimals += decimals >= 0 ? 1 : 0;
            } else if (text[at] == '.' && decimals < 0) {
                decimals = 0;
            } else {
                return -1;
            }
        }
        if (to - from > FAST_DIGITS || decimals > MILLIONTHS_DIGITS) {
            return -1;
        }
        long scale = MILLIONTHS;
        for (int done = 0; done < decimals; done++) {
            scale /= 10;
        }
        return number * scale;
    }
}
