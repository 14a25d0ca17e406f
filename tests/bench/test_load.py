"""The client of the runtime's figures: no answer is taken for more or less than it is."""

from bench.load import Reading

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCONTENT-LENGTH: 5\r\n\r\nhello"
_REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


def test_an_answer_is_complete_with_its_last_byte_and_not_before() -> None:
    reading = Reading()
    found = [reading.status(_ANSWER[at : at + 1]) for at in range(len(_ANSWER))]
    assert found == [0] * (len(_ANSWER) - 1) + [200]


def test_the_next_answer_on_a_connection_is_read_by_its_own_head() -> None:
    reading = Reading()
    assert [reading.status(one) for one in (_ANSWER, _REFUSAL, _ANSWER)] == [200, 503, 200]
