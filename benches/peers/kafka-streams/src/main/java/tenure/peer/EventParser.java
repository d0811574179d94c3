package tenure.peer;

import com.alibaba.fastjson2.JSONReader;
import com.alibaba.fastjson2.util.Fnv;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.OffsetDateTime;

/**
 * Reads native events from JSON with fastjson2's streaming reader, which tells the names of fields and
 * texts that are only compared as 64 bits, without making strings of them.
 *
 * <p>Looks only at the fields that the job needs and skips the others. Knows the usual forms of times
 * and amounts by heart and leaves the others to the JDK.
 */
final class EventParser {
    private static final long EVENT_ID = Fnv.hashCode64("event_id");
    private static final long TYPE = Fnv.hashCode64("type");
    private static final long OCCURRED_AT = Fnv.hashCode64("occurred_at");
    private static final long AMOUNT = Fnv.hashCode64("amount");
    private static final long CURRENCY = Fnv.hashCode64("currency");
    private static final long SURVEY = Fnv.hashCode64("survey");
    private static final long SCORE = Fnv.hashCode64("score");

    private static final long SIGNUP = Fnv.hashCode64("signup");
    private static final long PURCHASE = Fnv.hashCode64("purchase");
    private static final long CHURN = Fnv.hashCode64("churn");
    private static final long SURVEY_SUBMITTED = Fnv.hashCode64("survey_submitted");
    private static final long NPS = Fnv.hashCode64("nps");
    private static final long CSAT = Fnv.hashCode64("csat");
    private static final long CES = Fnv.hashCode64("ces");

    private static final int MILLIONTHS_DIGITS = 6;
    private static final long MILLIONTHS = 1_000_000;
    private static final long[] POWERS = {1, 10, 100, 1_000, 10_000, 100_000, 1_000_000};
    /** So many digits and a point fit into a long together with the millionths. */
    private static final int FAST_LENGTH = 12;

    /**
     * Fills the event from a record's value.
     *
     * @return false if the value is no valid event
     */
    boolean parse(byte[] value, Event event) {
        try (JSONReader reader = JSONReader.of(value)) {
            return read(reader, event);
        } catch (RuntimeException invalid) {
            return false;
        }
    }

    private static boolean read(JSONReader reader, Event event) {
        long type = 0;
        long survey = 0;
        event.id = 0;
        event.occurredAt = Long.MIN_VALUE;
        event.amount = -1;
        event.currency = 0;
        event.score = -1;
        if (!reader.nextIfObjectStart()) {
            return false;
        }
        while (!reader.nextIfObjectEnd()) {
            long name = reader.readFieldNameHashCode();
            if (name == EVENT_ID) {
                event.id = reader.readValueHashCode();
            } else if (name == TYPE) {
                type = reader.readValueHashCode();
            } else if (name == OCCURRED_AT) {
                event.occurredAt = reader.isString() ? time(reader.readString()) : reader.readInt64Value();
            } else if (name == AMOUNT) {
                event.amount = reader.isString() ? amount(reader.readString()) : millionths(reader.readBigDecimal());
            } else if (name == CURRENCY) {
                event.currency = currency(reader.readString());
            } else if (name == SURVEY) {
                survey = reader.readValueHashCode();
            } else if (name == SCORE) {
                event.score = (byte) reader.readInt32Value();
            } else {
                reader.skipValue();
            }
        }
        return event.id != 0 && event.occurredAt != Long.MIN_VALUE && classify(type, survey, event);
    }

    private static boolean classify(long type, long survey, Event event) {
        if (type == PURCHASE) {
            event.kind = Event.PURCHASE;
            return event.amount >= 0 && event.currency != 0;
        }
        if (type == SURVEY_SUBMITTED) {
            event.kind = survey == NPS ? Event.NPS : survey == CSAT ? Event.CSAT : Event.CES;
            return event.score >= 0 && event.score <= 10 && (event.kind != Event.CES || survey == CES);
        }
        event.kind = type == SIGNUP ? Event.SIGNUP : Event.CHURN;
        return type == SIGNUP || type == CHURN;
    }

    private static int currency(String text) {
        return text.length() == 3 ? text.charAt(0) << 16 | text.charAt(1) << 8 | text.charAt(2) : 0;
    }

    static String currencyName(int currency) {
        return new String(new char[] {(char) (currency >> 16), (char) (currency >> 8 & 0xff), (char) (currency & 0xff)});
    }

    private static long time(String text) {
        if (text.length() == 24 && text.charAt(19) == '.' && text.charAt(23) == 'Z') {
            return utc(text);
        }
        return OffsetDateTime.parse(text).toInstant().toEpochMilli();
    }

    /** {@code 2026-11-01T09:30:00.000Z}, which nearly all producers write. */
    private static long utc(String text) {
        long days = daysFromCivil(number(text, 0, 4), number(text, 5, 7), number(text, 8, 10));
        long minutes = (days * 24 + number(text, 11, 13)) * 60 + number(text, 14, 16);
        return (minutes * 60 + number(text, 17, 19)) * 1000 + number(text, 20, 23);
    }

    private static long number(String text, int from, int to) {
        long number = 0;
        for (int at = from; at < to; at++) {
            int digit = text.charAt(at) - '0';
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

    /** Millionths of a plain decimal. */
    private static long amount(String text) {
        if (text.length() > FAST_LENGTH) {
            return new BigDecimal(text).setScale(MILLIONTHS_DIGITS).unscaledValue().longValueExact();
        }
        int point = text.indexOf('.');
        int decimals = point < 0 ? 0 : text.length() - point - 1;
        if (decimals > MILLIONTHS_DIGITS) {
            throw new IllegalArgumentException("too many decimals");
        }
        long number = point < 0
                ? number(text, 0, text.length())
                : number(text, 0, point) * POWERS[decimals] + number(text, point + 1, text.length());
        return number * (MILLIONTHS / POWERS[decimals]);
    }

    private static long millionths(BigDecimal amount) {
        return amount.setScale(MILLIONTHS_DIGITS, RoundingMode.HALF_EVEN).unscaledValue().longValueExact();
    }
}
