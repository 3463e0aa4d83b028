"""What an answer's error would be: questions rehearsed, again and again, on rows that are nobody's or everybody's."""
