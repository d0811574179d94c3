package tenure.peer;

/** One decoded event. Each task reuses one, so that decoding makes no garbage of its own. */
final class Event {
    static final byte SIGNUP = 0;
    static final byte PURCHASE = 1;
    static final byte CHURN = 2;
    static final byte NPS = 3;
    static final byte CSAT = 4;
    static final byte CES = 5;

    /** One of the constants above. */
    byte kind;
    /** 64 bits that stand for the event's id among those of its customer. */
    long id;
    /** Unix milliseconds. */
    long occurredAt;
    /** Millionths of the currency's unit, of a purchase. */
    long amount;
    /** Three ASCII letters in the lower 24 bits, of a purchase. */
    int currency;
    /** Of an answer. */
    byte score;

    static boolean isLifecycle(byte kind) {
        return kind <= CHURN;
    }
}
