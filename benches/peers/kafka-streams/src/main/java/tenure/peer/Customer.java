package tenure.peer;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * What is kept of one customer, as bytes: the value in the state store.
 *
 * <pre>
 *   | base | entry | entry | ...          entries in the order of their arrival
 *
 *   base   8 bytes: the mark of the newest sign-up, order or churn that is older than all periods
 *   entry  kind 1, time 8, id 8; an order then has currency 3 and amount 8, an answer score 1
 *   mark   time * 2, + 1 if the customer is active from then on; the larger of two decides,
 *          so that at one instant a start comes after an end
 * </pre>
 *
 * <p>Entries that no period can reach any more are folded into the base when the customer is next
 * heard of. A period that begins after the horizon is therefore exact, whatever the order in which
 * the events came, and a repeat is found for as long as it could count twice.
 */
final class Customer {
    /** Before every other mark, and not active. */
    static final long NEVER = Long.MIN_VALUE;

    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
    private static final int BASE = 8;
    private static final int TIME = 1;
    private static final int ID = 9;
    private static final int DETAIL = 17;
    private static final int CURRENCY = 3;

    private Customer() {}

    static boolean isActive(long mark) {
        return mark != NEVER && (mark & 1) == 1;
    }

    /**
     * Adds an event.
     *
     * @param before the value so far, null of somebody new; never changed
     * @param horizon Unix milliseconds before which no period will begin any more
     * @return the new value, or {@code before} itself if the event says nothing new
     */
    static byte[] with(byte[] before, Event event, long horizon) {
        long base = before == null ? NEVER : base(before);
        int kept = 0;
        for (int at = BASE; before != null && at < before.length; at += length(before[at])) {
            if (id(before, at) == event.id) {
                return before;
            }
            if (time(before, at) >= horizon) {
                kept += length(before[at]);
            } else {
                base = Math.max(base, mark(before, at));
            }
        }
        boolean appended = event.occurredAt >= horizon;
        if (!appended) {
            base = Math.max(base, mark(event));
        }
        int size = BASE + kept + (appended ? length(event.kind) : 0);
        if (before != null && !appended && size == before.length && base == base(before)) {
            return before;
        }
        byte[] after = copy(before, horizon, kept, size);
        LONG.set(after, 0, base);
        if (appended) {
            write(after, BASE + kept, event);
        }
        return after;
    }

    private static byte[] copy(byte[] before, long horizon, int kept, int size) {
        if (before != null && kept == before.length - BASE) {
            return Arrays.copyOf(before, size);
        }
        byte[] after = new byte[size];
        int to = BASE;
        for (int at = BASE; kept > 0 && at < before.length; at += length(before[at])) {
            if (time(before, at) >= horizon) {
                System.arraycopy(before, at, after, to, length(before[at]));
                to += length(before[at]);
            }
        }
        return after;
    }

    private static void write(byte[] value, int at, Event event) {
        value[at] = event.kind;
        LONG.set(value, at + TIME, event.occurredAt);
        LONG.set(value, at + ID, event.id);
        if (event.kind == Event.PURCHASE) {
            value[at + DETAIL] = (byte) (event.currency >> 16);
            value[at + DETAIL + 1] = (byte) (event.currency >> 8);
            value[at + DETAIL + 2] = (byte) event.currency;
            LONG.set(value, at + DETAIL + CURRENCY, event.amount);
        } else if (!Event.isLifecycle(event.kind)) {
            value[at + DETAIL] = event.score;
        }
    }

    /** Adds what the customer did in {@code [from, to)} to the answers. */
    static void count(byte[] value, long from, long to, Answers answers) {
        long start = base(value);
        long end = start;
        for (int at = BASE; at < value.length; at += length(value[at])) {
            long time = time(value, at);
            if (time >= to) {
                continue;
            }
            long mark = mark(value, at);
            end = Math.max(end, mark);
            if (time < from) {
                start = Math.max(start, mark);
            } else {
                countEntry(value, at, answers);
            }
        }
        answers.addCustomer(isActive(start), isActive(end));
    }

    private static void countEntry(byte[] value, int at, Answers answers) {
        switch (value[at]) {
            case Event.SIGNUP -> answers.signups++;
            case Event.CHURN -> answers.churns++;
            case Event.PURCHASE -> answers.addOrder(currency(value, at), (long) LONG.get(value, at + DETAIL + CURRENCY));
            default -> answers.addAnswer(value[at], value[at + DETAIL]);
        }
    }

    private static int length(byte kind) {
        return switch (kind) {
            case Event.SIGNUP, Event.CHURN -> DETAIL;
            case Event.PURCHASE -> DETAIL + CURRENCY + 8;
            default -> DETAIL + 1;
        };
    }

    private static long base(byte[] value) {
        return (long) LONG.get(value, 0);
    }

    private static long time(byte[] value, int at) {
        return (long) LONG.get(value, at + TIME);
    }

    private static long id(byte[] value, int at) {
        return (long) LONG.get(value, at + ID);
    }

    private static int currency(byte[] value, int at) {
        return (value[at + DETAIL] & 0xff) << 16 | (value[at + DETAIL + 1] & 0xff) << 8 | value[at + DETAIL + 2] & 0xff;
    }

    private static long mark(byte[] value, int at) {
        return mark(value[at], time(value, at));
    }

    private static long mark(Event event) {
        return mark(event.kind, event.occurredAt);
    }

    private static long mark(byte kind, long time) {
        if (!Event.isLifecycle(kind)) {
            return NEVER;
        }
        return time * 2 + (kind == Event.CHURN ? 0 : 1);
    }
}
